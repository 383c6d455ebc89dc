/// Whether a session lives, as far as is known: since when it owes an answer, and until when its locks are held for certain.
struct SessionLiveness: Sendable {
    /// Since when it owes an answer and has given none.
    private(set) var silentSince: Instant?
    /// Whether it has been silent for so long that another session does its work.
    private(set) var isOverdue = false
    /// Since when the server is asked about the session and has not answered.
    private(set) var askedSince: Instant?
    /// Since when the server says that it has answered, while the answer has not arrived.
    private(set) var answerMissedSince: Instant?
    /// Until when the session lives for certain; `nil` before its first answer.
    private(set) var validUntil: Instant?
    /// Whether that time has passed, and the holders of its locks were told.
    private(set) var isSuspect = false
    /// When it was last sent something, or the server was last asked about it.
    private(set) var lastSent = Instant(nanoseconds: 0)

    mutating func noteSent(_ now: Instant, owes: Bool = false) {
        lastSent = now
        if owes, silentSince == nil { silentSince = now }
    }

    /// - Parameter owingSince: Now, if it owes further answers.
    mutating func noteHeard(owingSince: Instant?) {
        silentSince = owingSince
        isOverdue = false
        askedSince = nil
        answerMissedSince = nil
    }

    /// A statement that may last was begun.
    mutating func noteStatement() {
        askedSince = nil
        answerMissedSince = nil
    }

    mutating func noteOverdue() { isOverdue = true }

    mutating func noteAsked(_ now: Instant) {
        lastSent = now
        if askedSince == nil { askedSince = now }
    }

    mutating func forgetAsked() { askedSince = nil }

    mutating func noteAnswerMissed(_ now: Instant) {
        if answerMissedSince == nil { answerMissedSince = now }
    }

    /// The server says that it runs what it was sent.
    mutating func noteActive() { answerMissedSince = nil }

    mutating func noteSuspect() { isSuspect = true }

    /// The server has answered. It ends a session that it has heard nothing of for the lease.
    ///
    /// - Parameter validity: See ``Lease/validity``.
    /// - Returns: Until when it lives for certain, if that is later than was known before.
    mutating func renew(answerTo sentAt: Instant, validFor validity: Duration) -> Instant? {
        let until = sentAt.advanced(by: validity)
        guard validUntil.map({ $0 < until }) ?? true else { return nil }
        validUntil = until
        isSuspect = false
        return until
    }
}
