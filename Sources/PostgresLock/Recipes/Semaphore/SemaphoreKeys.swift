import LockCore

/// The advisory locks of a semaphore. They are documented in <doc:Semaphores>, so that other languages can take part.
struct SemaphoreKeys: Sendable {
    /// One statement tries all the permits.
    static let mostPermits = LockTable.ChoiceTry.mostKeys

    let name: String
    let limit: Int
    /// The permits: one of them is held exclusively by each holder. They do not depend on the limit, so semaphores of different limits share
    /// the first ones.
    let permits: [LockKey]
    /// Held exclusively by the process whose turn it is to wait for a permit.
    let turnstile: LockKey
    /// Held shared by all that take part, so that one with another limit is noticed.
    let agreement: LockKey
    /// The class of ``agreement``, whose second number is the limit.
    let limitClass: Int32

    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty, or the limit too low or too high.
    init(_ name: String, limit: Int) throws {
        guard !name.isEmpty else {
            throw LockError(.invalidArgument, "The semaphore's name is empty. Give it a name that says what it limits.")
        }
        guard (1...Self.mostPermits).contains(limit) else {
            throw LockError(.invalidArgument, "The semaphore \"\(name)\" can't have \(limit) permits. Use 1 to \(Self.mostPermits).")
        }
        self.name = name
        self.limit = limit
        let permitClass = LockKey.pairClass("pglock:permit:\(name)")
        let limitClass = LockKey.pairClass("pglock:limit:\(name)")
        self.limitClass = limitClass
        permits = (1...limit).map { LockKey(name: "\(name), permit \($0)", AdvisoryKey(permitClass, Int32($0))) }
        turnstile = LockKey(name: "\(name), turnstile", AdvisoryKey(permitClass, 0))
        agreement = LockKey(name: "\(name), limit \(limit)", AdvisoryKey(limitClass, Int32(limit)))
    }
}
