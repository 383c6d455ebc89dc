extension CheckedOutSession {
    package enum Step: Hashable, Sendable {
        /// The statements go out; ``answered(_:_:now:)`` says how they have ended.
        case send(Submission)
        /// Whether the session lives for certain, and its locks are to be looked after: ``Engine/guardCheckedOut(_:now:)``. The answer is for
        /// ``certified(_:now:)``.
        case certify
        case end(Outcome)
    }

    /// How an operation has ended.
    package enum Outcome: Hashable, Sendable {
        case done
        /// A lock was taken, with what a fencing token is made of.
        case locked(WALPosition?)
        /// A try has found the lock taken.
        case refused
        /// An error, a cancellation, a deadline, or the loss of the session.
        case failed(Engine.Outcome)
        /// The scope is at its end, and nothing more is sent for its body.
        case atEnd
        case unusable(Unusable)
        /// The body's SQL has ended the transaction, by an error if there is one.
        case endedBySQL(Failure?)
        /// The body has begun a transaction in a session.
        case begunBySQL
        /// What the answer to a commit says.
        case commitAnswered(tag: String)
        /// The commit was not answered.
        case commitUnknown(Failure)
        /// Locks that the session did not hold, or may still hold.
        case unverified([AdvisoryKey], Failure)
    }

    /// Why a transaction can only be rolled back.
    package enum Unusable: Hashable, Sendable {
        /// The manager has decided it.
        case rollbackOnly
        /// One of its statements has failed.
        case aborted
    }

    /// What has happened to the locks meanwhile. To be carried out before the next step.
    package enum Event: Hashable, Sendable {
        /// The server has granted the lock that the transaction was begun with.
        case granted
        /// An error has released these: all that the transaction held, or what it has locked since the latest savepoint.
        case released([AdvisoryKey], isAll: Bool, because: Engine.Outcome?)
        /// The body has rolled back to before this lock; what it is held in now, if it was shared before.
        case rolledBack(AdvisoryKey, to: Mode?)
        /// Nothing is held any more that is to be looked after.
        case unguarded
        /// After an error, the lock was found to be held, or not.
        case verified(held: Bool)
        /// Waits that say what has ended them are not to be had on this server, for the role that has logged in.
        case waitsPlainly
        /// What the session holds is not known any more. Only its end settles that.
        case givenUp(Failure)
        /// Something has happened that can't happen. The session is given up.
        case invariantBroken(String)
    }
}
