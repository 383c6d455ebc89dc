import CommandSupport
import Foundation
import LibPQ
import PostgresLock

/// The locks of the `pglock run` processes around this one, according to the environment.
///
/// PGLOCK_KEYS has an entry for each, the outermost first: the key's numbers, a hash of the database's address, since the same key in
/// another database is another lock, and the process that holds the lock, with an "s" if it shares it. Processes that outlive the lock
/// inherit the variable, too, so an entry counts only if this process descends from that one. Another server can have the same address in
/// another network, so with an entry the lock is tried, and only if it is taken is it thought to be that of the enclosing process.
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
    func hold(_ key: LockKey) -> Bool { mode(of: key) != nil }

    /// The mode in which they hold the key; `nil` if they don't.
    func mode(of key: LockKey) -> LockMode? {
        let prefix = lock(key)
        let modes = entries.compactMap { entry -> LockMode? in
            guard entry.hasPrefix(prefix) else { return nil }
            let holder = entry.dropFirst(prefix.count)
            let isShared = holder.hasSuffix("s")
            guard let process = pid_t(isShared ? holder.dropLast() : holder), Ancestors.include(process) else { return nil }
            return isShared ? .shared : .exclusive
        }
        return modes.contains(.exclusive) ? .exclusive : modes.first
    }

    /// The variable's value for what runs under one more lock, of this process. A permit is none: with another one the command goes on.
    func adding(_ key: LockKey?, _ mode: LockMode = .exclusive) -> String {
        let suffix = mode == .shared ? "s" : ""
        return (entries.map(String.init) + (key.map { ["\(lock($0))\(getpid())\(suffix)"] } ?? [])).joined(separator: " ")
    }

    private func lock(_ key: LockKey) -> String { "\(KeyText.numbers(of: key))@\(mark)@" }

    /// What is said when the command runs under the lock of the process around this one.
    static func note(_ key: LockKey) -> String {
        "The lock \(key) is held by a pglock around this one (PGLOCK_KEYS). It is not asked for again: the command runs under that lock."
    }

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
