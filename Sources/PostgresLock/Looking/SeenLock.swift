package import LockCore

#if canImport(FoundationEssentials)
    package import FoundationEssentials
#else
    package import Foundation
#endif

/// One advisory lock, held or waited for, as the server shows it.
package struct SeenLock: Hashable, Sendable {
    package let key: AdvisoryKey
    package let mode: Mode
    /// Whether it is held; if not, it is waited for.
    package let isHeld: Bool
    package let session: SeenSession
    /// Since when it is waited for, from version 14 of the server on; since when it is held, if its manager publishes that.
    package var since: Date?
    /// Whether any session waits for the key.
    package let isContended: Bool

    package init(
        key: AdvisoryKey,
        mode: Mode,
        isHeld: Bool,
        session: SeenSession,
        since: Date? = nil,
        isContended: Bool = false
    ) {
        (self.key, self.mode, self.isHeld, self.session, self.since, self.isContended) = (key, mode, isHeld, session, since, isContended)
    }
}

/// A session, as far as the role that looks may see it.
package struct SeenSession: Hashable, Sendable {
    /// `nil` for a transaction that was prepared (`PREPARE TRANSACTION`), which no session holds any more.
    package let processID: Int32?
    /// Its `application_name`, which every role sees; the identifier of a prepared transaction.
    package let name: String
    package let role: String?
    /// The client's, with its port; `nil` if it is hidden, or the client is on the server's machine.
    package let address: String?
    /// `idle`, `active`, `idle in transaction` and so on, or `prepared`; `nil` if it is hidden.
    package let state: String?
    /// When the session has begun; `nil` if it is hidden.
    package let start: Date?
    /// When the state has changed last, so when a transaction was prepared; `nil` if it is hidden.
    package let change: Date?
    /// Since when its transaction lasts; `nil` if it is hidden, or there is none.
    package let transactionStart: Date?
    /// What it waits for, if it waits: PostgreSQL's `wait_event_type`.
    package let waitType: String?

    package init(
        processID: Int32?,
        name: String,
        role: String? = nil,
        address: String? = nil,
        state: String? = nil,
        start: Date? = nil,
        change: Date? = nil,
        transactionStart: Date? = nil,
        waitType: String? = nil
    ) {
        (self.processID, self.name, self.role, self.address, self.state) = (processID, name, role, address, state)
        (self.start, self.change, self.transactionStart, self.waitType) = (start, change, transactionStart, waitType)
    }

    /// Whether the role that looks may see the state. That of prepared transactions every role may.
    package var isVisible: Bool { start != nil || processID == nil }

    /// What sessions of one manager have in common, and no other session has. A name without a mark says nothing.
    package var manager: String {
        guard let processID else { return "prepared \(name)" }
        return InstanceName.isMarked(name) ? "\(name)\n\(role ?? "")" : "process \(processID)"
    }
}
