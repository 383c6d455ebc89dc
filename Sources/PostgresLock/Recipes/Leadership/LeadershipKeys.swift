import LockCore

/// The advisory locks of an election. They are documented in <doc:Leadership>, so that other languages can take part.
struct LeadershipKeys: Sendable {
    let name: String
    /// Held exclusively by the leader.
    let lead: LockKey
    private let termClass: Int32
    private let stepDownClass: Int32

    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty.
    init(_ name: String) throws {
        guard !name.isEmpty else {
            throw LockError(.invalidArgument, "The election's name is empty. Give it a name that says what is led.")
        }
        self.name = name
        lead = LockKey(name)
        termClass = LockKey.pairClass("pglock:term:\(name)")
        stepDownClass = LockKey.pairClass("pglock:resign:\(name)")
    }

    /// Held shared during a term, so that all roles can see since when it lasts.
    ///
    /// - Parameter start: The term's beginning, in seconds since 1970, by the server's clock.
    func term(start: UInt32) -> LockKey { LockKey(termClass, Int32(bitPattern: start)) }

    /// Held shared by a session that wants the leader to step down. It names the session that holds the lead, so that a request for one term
    /// is none for the next.
    func stepDown(of processID: Int32) -> LockKey { LockKey(stepDownClass, processID) }

    /// As the server shows it.
    var shownTermClass: UInt32 { UInt32(bitPattern: termClass) }
}
