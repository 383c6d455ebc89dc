extension CheckedOutSession {
    /// What was answered, until the session was lost if it was.
    struct Answer {
        let replies: [Reply]
        let outcome: Engine.Outcome
        let loss: Failure?
    }

    /// The operation that is under way, and what it has sent.
    enum Operation: Sendable {
        /// A transaction that begins without a lock.
        case opening(Submission)
        case taking(LockAttempt, Target)
        /// What an attempt has sent is taken back, and it is begun anew.
        case undoing(LockAttempt, Target)
        /// The savepoint around a further lock is given up.
        case releasingStep(Target, isHeld: Bool)
        /// Writes what a fencing token is made of.
        case recording(Target, Submission)
        /// Whether the session lives for certain is asked for.
        case certifying(Purpose, isLastTry: Bool)
        /// The session has to answer something before a lock is given out.
        case checkingActivity(Target)
        /// A further lock has failed, and is taken back.
        case backingOut(Outcome, because: Engine.Outcome?)
        /// Whether a lock is held that a session has asked for in vain.
        case verifying(AdvisoryKey, Mode, then: Outcome)
        /// Settings, before what they are for.
        case preparing(Next)
        /// A savepoint below the body's.
        case settingBase(BaseFor)
        case running(Body, Submission)
        /// Which locks the body's rollback has taken along.
        case looking(Body, [Lock])
        case endingBegun
        case unlocking(AdvisoryKey, [Engine.Batch])
        case committing
        case rollingBack(then: Outcome)
        case ending([AdvisoryKey], [Engine.Batch])
    }

    /// What a lock is taken as.
    struct Target: Sendable {
        enum Kind: Sendable {
            /// What the transaction is begun with.
            case first
            case further
            case session
        }

        let kind: Kind
        let key: AdvisoryKey
        let mode: Mode
        let deadline: Instant?
        var position: WALPosition?
    }

    /// What the session has to live for.
    enum Purpose: Sendable {
        case lock(Target)
        case body(Body)
    }

    /// What settings are made for.
    enum Next: Sendable {
        case lock(LockAttempt, Target)
        case unlock(AdvisoryKey, [Engine.Batch])
        case end([AdvisoryKey], [Engine.Batch])
        case body(Body)
    }

    enum BaseFor: Sendable {
        case statement(Body)
        /// The statement has been run, and may have released the one before.
        case following(Body)
    }

    /// A statement of the body.
    struct Body: Sendable {
        let sql: String
        let mayLock: Bool
        /// What the server calls it, once it has succeeded.
        var tag = ""
    }
}
