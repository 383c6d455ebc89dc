/// What is known of whether a session lives: what it owes, since when, and until when its locks are held for certain.
struct SessionLiveness: Sendable {
    /// Since when it owes an answer and has given none.
    private(set) var silentSince: Instant?
    /// It has been silent for so long that other sessions do its work.
    private(set) var isOverdue = false
    /// Since when the server is asked what the session does, and has not said.
    private(set) var askedSince: Instant?
    /// Since when the server says that it has answered what is not answered here.
    private(set) var answerMissedSince: Instant?
    /// Until when the session lives for certain; `nil` before its first answer.
    private(set) var validUntil: Instant?
    /// That time has passed, and the holders of its locks know it.
    private(set) var isSuspect = false
    /// When it was last sent something, or asked about.
    private(set) var lastSent = Instant(nanoseconds: 0)

    mutating func noteSent(_ now: Instant, owes: Bool = false) {
        lastSent = now
        if owes, silentSince == nil { silentSince = now }
    }

    /// - Parameter owingSince: If there is more that it owes: now.
    mutating func noteHeard(owingSince: Instant?) {
        silentSince = owingSince
        isOverdue = false
        askedSince = nil
        answerMissedSince = nil
    }

    /// A statement was begun that may last.
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

    /// It runs what it was sent.
    mutating func noteActive() { answerMissedSince = nil }

    mutating func noteSuspect() { isSuspect = true }

    mutating func renew(until: Instant) -> Bool {
        guard validUntil.map({ $0 < until }) ?? true else { return false }
        validUntil = until
        isSuspect = false
        return true
    }
}
