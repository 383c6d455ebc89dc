import Foundation
import PostgresLockTesting

/// The programs that a cluster needs.
struct FailoverTools: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    let etcd: String
    let patroni: String
    /// The account of the servers, which refuse to run as root.
    let account: ServerAccount

    static func find() throws -> FailoverTools {
        #if !os(Linux)
            throw Missing(description: "It needs Linux, whose /proc it reads.")
        #endif
        let patroni = "\(FileManager.default.currentDirectoryPath)/.build/failover/bin/patroni"
        guard let etcd = Executable.find("etcd") else {
            throw Missing(description: "etcd is not installed. `.ci/install-failover` installs it.")
        }
        guard FileManager.default.isExecutableFile(atPath: patroni) else {
            throw Missing(description: "There is no \(patroni). `.ci/install-failover` installs it; run this in the package's folder.")
        }
        let account = try ServerAccount.current()
        guard account.canReach(URL(fileURLWithPath: patroni).deletingLastPathComponent().path) else {
            throw Missing(description: "The account \(account.name) can't enter the folder of \(patroni), and root can't run servers.")
        }
        return FailoverTools(etcd: etcd, patroni: patroni, account: account)
    }

    /// The environment of this process without what could redirect the programs.
    static var environment: [String: String] {
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") && !$0.key.lowercased().hasSuffix("_proxy") }
        variables["LC_ALL"] = "C"
        variables["PGCONNECT_TIMEOUT"] = "3"
        return variables
    }
}
