import LockCore

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// A session of the server that holds a lock, as the server shows it: see ``LockManager/holders(of:)``.
///
/// What the role may not see is `nil`. An ordinary role sees of other roles' sessions the process, the instance and the role. With the rights of
/// `pg_read_all_stats` it sees everything.
public struct LockHolder: Hashable, Sendable {
    /// What is locked.
    public let key: LockKey
    /// How it is locked.
    public let mode: LockMode
    /// The session's process on the server, as in `pg_stat_activity`; `nil` for a prepared transaction.
    public let processID: Int32?
    /// The session's `application_name`. That of a lock manager says program, host and process:
    /// ``LockManager/Configuration/applicationName``. For a prepared transaction its identifier, as `ROLLBACK PREPARED` takes it.
    public let instance: String
    /// The role that has logged in; for a prepared transaction its owner.
    public let role: String?
    /// The client's address and port; `nil` also for a client on the server's machine.
    public let address: String?
    /// What the session does: `idle`, `active`, `idle in transaction` and so on, or `prepared`. A lock needs no statement, so most holders are idle.
    public let state: String?
    /// Since when the lock is held, to the second, if the holder publishes it. A lock manager does so after some seconds.
    public let since: Date?
    /// When the session has begun. It can't have held the lock for longer.
    public let sessionStart: Date?

    /// Makes a value, for instance for a test.
    public init(
        key: LockKey,
        mode: LockMode,
        processID: Int32?,
        instance: String,
        role: String? = nil,
        address: String? = nil,
        state: String? = nil,
        since: Date? = nil,
        sessionStart: Date? = nil
    ) {
        (self.key, self.mode, self.processID, self.instance) = (key, mode, processID, instance)
        (self.role, self.address, self.state, self.since, self.sessionStart) = (role, address, state, since, sessionStart)
    }
}

/// A session of the server that waits for a lock, as the server shows it: see ``LockManager/waiters(of:)``.
public struct LockWaiter: Hashable, Sendable {
    /// What is waited for.
    public let key: LockKey
    /// How it is to be locked.
    public let mode: LockMode
    /// See ``LockHolder/processID``.
    public let processID: Int32?
    /// See ``LockHolder/instance``.
    public let instance: String
    /// See ``LockHolder/role``.
    public let role: String?
    /// See ``LockHolder/address``.
    public let address: String?
    /// Since when the session waits; `nil` on servers before version 14.
    public let since: Date?
    /// 0 for the session that waits longest. Before version 14 of the server the order is not known.
    public let position: Int

    init(_ seen: SeenLock, key: LockKey, position: Int) {
        self.key = key
        self.position = position
        mode = LockMode(core: seen.mode)
        (processID, instance, role) = (seen.session.processID, seen.session.name, seen.session.role)
        (address, since) = (seen.session.address, seen.since)
    }
}

extension LockHolder {
    package init(_ seen: SeenLock, key: LockKey) {
        self.init(
            key: key,
            mode: LockMode(core: seen.mode),
            processID: seen.session.processID,
            instance: seen.session.name,
            role: seen.session.role,
            address: seen.session.address,
            state: seen.session.state,
            since: seen.since,
            sessionStart: seen.session.start
        )
    }
}

extension LockHolder: CustomStringConvertible {
    /// For messages: `orders@web-3:4711 #k7q2m (process 71 of the server, 10.0.0.3:5432, exclusive, idle, since 2026-11-26T17:45:00Z)`.
    public var description: String {
        var facts = [processID.map { "process \($0) of the server" } ?? "a prepared transaction"]
        facts += [address, "\(mode)", state, since.map { "since \($0.ISO8601Format())" }].compactMap(\.self)
        let name = instance.isEmpty ? "a session without a name" : instance
        return "\(name) (\(facts.joined(separator: ", ")))"
    }
}
