import Foundation
import LockCore
import PostgresLock

/// A lock, as `pglock ps --json` prints it.
struct LockRecord: Encodable {
    /// Absent if no name of the key is known.
    let name: String?
    /// One number, or two with a comma.
    let key: String
    let classid: UInt32
    let objid: UInt32
    let objsubid: Int32
    let mode: String
    /// `held` or `waits`.
    let state: String
    /// Absent if it is not known.
    let since: String?
    /// Absent for a prepared transaction.
    let pid: Int32?
    let instance: String
    let role: String?
    /// These are absent if the role may not see them.
    let address: String?
    let activity: String?
    let sessionStart: String?
    let transactionStart: String?
    /// Whether any session waits for the lock.
    let contended: Bool

    init(_ lock: SeenLock, _ names: KeyNames) {
        name = names.name(lock.key)
        key = KeyText.numbers(of: LockKey(lock.key))
        (classid, objid, objsubid) = lock.key.shown
        mode = "\(LockMode(core: lock.mode))"
        state = lock.isHeld ? "held" : "waits"
        let session = lock.session
        (since, pid, instance) = (lock.since?.ISO8601Format(), session.processID, session.name)
        (role, address, activity) = (session.role, session.address, session.state)
        (sessionStart, transactionStart) = (session.start?.ISO8601Format(), session.transactionStart?.ISO8601Format())
        contended = lock.isContended
    }
}
