import Chaos
import ChildProcesses
import Foundation

/// One server and its Patroni.
actor ClusterMember {
    nonisolated let configuration: PatroniConfiguration
    /// Where clients reach it.
    nonisolated let clientAddress: String
    nonisolated let client: PatroniClient
    private let command: [String]
    private let log: String
    private var patroni: ChildProcess?

    /// - Parameter command: Runs Patroni with the file of the configuration.
    init(configuration: PatroniConfiguration, clientAddress: String, command: [String], log: String) {
        self.configuration = configuration
        self.clientAddress = clientAddress
        client = PatroniClient(address: clientAddress, port: configuration.restPort)
        self.command = command
        self.log = log
    }

    nonisolated var name: String { configuration.name }

    func start() throws {
        guard patroni?.poll() != nil || patroni == nil else { return }
        patroni = try ChildProcess(
            command,
            environment: FailoverTools.environment,
            directory: configuration.folder,
            output: .file(log),
            error: .output
        )
    }

    func killPatroni() async {
        patroni?.signal(SIGKILL)
        _ = await patroni?.waitForEnd()
    }

    func killPostmaster() {
        let file = try? String(contentsOfFile: "\(configuration.dataDirectory)/postmaster.pid", encoding: .utf8)
        if let line = file?.split(separator: "\n").first, let process = pid_t(line), servers().contains(process) { kill(process, SIGKILL) }
    }

    /// The main process is signalled first, which would otherwise start others.
    func signalServers(_ number: Int32) {
        for process in servers() { kill(process, number) }
    }

    func signalPatroni(_ number: Int32) {
        patroni?.signal(number)
    }

    /// The processes that work in the data folder, in the order of their numbers.
    private func servers() -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.sorted().filter { process in
            let folder = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/cwd")
            guard folder == configuration.dataDirectory else { return false }
            return (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8))?.hasPrefix("postgres") == true
        }
    }
}
