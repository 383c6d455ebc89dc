import CommandSupport
import Foundation
import LibPQ
import PostgresLock

/// The locks of the `pglock run` processes around this one, according to the environment.
///
/// PGLOCK_KEYS has an entry for each, the outermost first: the key's numbers, a hash of the database's address, since the same key in
/// another database is another lock, and the process that holds the lock. Processes that outlive the lock inherit the variable, too, so an
/// entry counts only if this process descends from that one. Another server can have the same address in another network, so with an entry
/// the lock is tried, and refused only if it is taken.
struct EnclosingRuns {
    static let variable = "PGLOCK_KEYS"

    private let entries: [Substring]
    private let mark: String

    init(_ connection: ConnectionParameters, entries: String? = ProcessInfo.processInfo.environment[variable]) {
        self.entries = entries?.split(separator: " ") ?? []
        let address = ["host", "hostaddr", "port", "dbname", "user", "service"].map { connection.value(of: $0) ?? "" }
        // The user is the default for the database's name.
        let parts = address[3].isEmpty ? address : address.enumerated().map { $0.offset == 4 ? "" : $0.element }
        mark = String(
            parts.joined(separator: "\n").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 },
            radix: 16
        )
    }

    /// Whether one of them holds the key.
    func hold(_ key: LockKey) -> Bool {
        let prefix = lock(key)
        return entries.contains { entry in
            entry.hasPrefix(prefix) && pid_t(entry.dropFirst(prefix.count)).map(Ancestors.include) ?? false
        }
    }

    /// The variable's value for what runs under one more lock, of this process. A permit is none: with another one the command goes on.
    func adding(_ key: LockKey?) -> String {
        (entries.map(String.init) + (key.map { ["\(lock($0))\(getpid())"] } ?? [])).joined(separator: " ")
    }

    private func lock(_ key: LockKey) -> String { "\(KeyText.numbers(of: key))@\(mark)@" }

    /// The error instead of a wait that would not end.
    static func refusal(_ key: LockKey) -> CommandFailure {
        CommandFailure(
            ExitStatus.usage,
            """
            The lock \(key) is held by a pglock around this one (PGLOCK_KEYS), which waits for its command's end: neither would end. Run \
            the command without a second pglock, or under another key.
            """
        )
    }
}
