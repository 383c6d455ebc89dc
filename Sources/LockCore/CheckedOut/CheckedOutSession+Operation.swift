extension CheckedOutSession {
    /// The replies to a submission; if the session was lost, those until then.
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
        /// The statements of an attempt are undone, and the attempt is begun anew.
        case undoing(LockAttempt, Target)
        /// The savepoint around a further lock is released.
        case releasingStep(Target, isHeld: Bool)
        /// The record for a fencing token is written.
        case recording(Target, Submission)
        /// The engine is asked whether the session certainly lives.
        case certifying(Purpose, isLastTry: Bool)
        /// The session has to answer something before a lock is given out.
        case checkingActivity(Target)
        /// A further lock has failed, and is undone.
        case backingOut(Outcome, because: Engine.Outcome?)
        /// It is verified that a session does not hold the lock that it failed to take.
        case verifying(AdvisoryKey, Mode, then: Outcome)
        /// Settings are made for the next statement.
        case preparing(Next)
        /// A savepoint below the body's is set.
        case settingBase(BaseFor)
        case running(Body, Submission)
        /// The server is asked which locks the body's rollback has released.
        case looking(Body, [Lock])
        case endingBegun
        case unlocking(AdvisoryKey, [Engine.Batch])
        case committing
        case rollingBack(then: Outcome)
        case ending([AdvisoryKey], [Engine.Batch])
    }

    /// The lock that an operation takes.
    struct Target: Sendable {
        enum Kind: Sendable {
            /// The lock with which the transaction begins.
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

    /// What is given out once the session certainly lives.
    enum Purpose: Sendable {
        case lock(Target)
        case body(Body)
    }

    /// What follows after settings were made.
    enum Next: Sendable {
        case lock(LockAttempt, Target)
        case unlock(AdvisoryKey, [Engine.Batch])
        case end([AdvisoryKey], [Engine.Batch])
        case body(Body)
    }

    enum BaseFor: Sendable {
        case statement(Body)
        /// The statement was run, and may have released the base before.
        case following(Body)
    }

    /// A statement of the body.
    struct Body: Sendable {
        let sql: String
        let mayLock: Bool
        /// The server's command tag, once it has succeeded.
        var tag = ""
    }
}
