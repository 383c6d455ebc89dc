import CommandSupport
import Foundation
import LibPQ
import PostgresLock

/// The locks of the `pglock run` processes around this one, according to the environment.
///
/// PGLOCK_KEYS has an entry for each, the outermost first: the key's numbers, a hash of the database's address, since the same key in
/// another database is another lock, and the process that holds the lock, with an "s" if it shares it. With --slots it is "p", the number of the
/// permit, "/", and how many there are. Processes that outlive the lock inherit the variable, too, so an entry counts only if this process
/// descends from that one. Another server can have the same address in another network, so with an entry the lock is tried, and only if it is
/// taken is it thought to be that of the enclosing process.
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

    /// The permit that they hold of this many under the name of the key; `nil` if they hold none. With another number of permits they don't go
    /// together, which the semaphore finds out.
    func permit(of key: LockKey, limit: Int) -> Int? {
        let prefix = lock(key)
        let permits = entries.compactMap { entry -> Int? in
            guard entry.hasPrefix(prefix) else { return nil }
            let parts = entry.dropFirst(prefix.count).split(omittingEmptySubsequences: false) { "p/".contains($0) }
            guard parts.count == 3, let process = pid_t(parts[0]), let number = Int(parts[1]), Int(parts[2]) == limit else { return nil }
            return (1...limit).contains(number) && Ancestors.include(process) ? number : nil
        }
        return permits.last
    }

    /// The variable's value, unchanged.
    var text: String { entries.joined(separator: " ") }

    /// The variable's value for what runs under one more lock, of this process.
    func adding(_ key: LockKey, _ mode: LockMode = .exclusive) -> String {
        adding(entry: "\(lock(key))\(getpid())\(mode == .shared ? "s" : "")")
    }

    /// The variable's value for what runs with one more permit, of this process.
    func adding(permit number: Int, of limit: Int, _ key: LockKey) -> String {
        adding(entry: "\(lock(key))\(getpid())p\(number)/\(limit)")
    }

    private func adding(entry: String) -> String { (entries.map(String.init) + [entry]).joined(separator: " ") }

    private func lock(_ key: LockKey) -> String { "\(KeyText.numbers(of: key))@\(mark)@" }

    /// What is said when the command runs under the lock of the process around this one.
    static func note(_ key: LockKey) -> String {
        "The lock \(key) is held by a pglock around this one (PGLOCK_KEYS). It is not asked for again: the command runs under that lock."
    }

    /// What is said when the command runs with the permit of the process around this one.
    static func note(permit number: Int, of limit: Int, _ name: String) -> String {
        """
        Slot \(number) of \(limit) of "\(name)" is held by a pglock around this one (PGLOCK_KEYS). No other one is asked for: the command runs \
        in that slot.
        """
    }

    /// The error instead of a second permit, for which a pglock could wait that the first one waits for.
    static func refusal(permit number: Int, of limit: Int, _ name: String) -> CommandFailure {
        CommandFailure(
            ExitStatus.usage,
            """
            Slot \(number) of \(limit) of "\(name)" is held by a pglock around this one (PGLOCK_KEYS). Without a command there is nothing to run in \
            it, and a second slot is not waited for: if all pglocks did that, none would end. Use -n, or another name.
            """
        )
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
