extension CheckedOutSession {
    package enum Step: Hashable, Sendable {
        /// The statements go out; ``answered(_:_:now:)`` says how they have ended.
        case send(Submission)
        /// Call ``Engine/guardCheckedOut(_:now:)``, and pass the result to ``certified(_:now:)``.
        case certify
        case end(Outcome)
    }

    /// How an operation has ended.
    package enum Outcome: Hashable, Sendable {
        case done
        /// A lock was taken, with the position for its fencing token.
        case locked(WALPosition?)
        /// A try has found the lock taken, and the caller does not wait.
        case refused
        /// An error, a cancellation, a deadline, or the loss of the session.
        case failed(Engine.Outcome)
        /// The body has ended, and nothing more is sent for it.
        case atEnd
        case unusable(Unusable)
        /// The body's SQL has ended the transaction, by an error if there is one.
        case endedBySQL(Failure?)
        /// The body has begun a transaction in a session.
        case begunBySQL
        /// The commit was answered by this command tag.
        case commitAnswered(tag: String)
        /// The commit was not answered.
        case commitUnknown(Failure)
        /// The session did not hold these locks, or may still hold them.
        case unverified([AdvisoryKey], Failure)
    }

    /// Why a transaction can only be rolled back.
    package enum Unusable: Hashable, Sendable {
        /// The manager has decided it.
        case rollbackOnly
        /// One of its statements has failed.
        case aborted
    }

    /// What has happened to the locks meanwhile. The driver handles events before the next step.
    package enum Event: Hashable, Sendable {
        /// The server has granted the lock that the transaction was begun with.
        case granted
        /// An error has released these locks: all of the transaction, or those since the latest savepoint.
        case released([AdvisoryKey], isAll: Bool, because: Engine.Outcome?)
        /// The body has rolled back to before this lock; the mode in which it is held now, if it was shared before.
        case rolledBack(AdvisoryKey, to: Mode?)
        /// The session has no locks any more, so its loss concerns no holder.
        case unguarded
        /// After an error, the lock was verified to be held, or not to be.
        case verified(held: Bool)
        /// Waits that report what has ended them can't be run on this server by the role that has logged in.
        case waitsPlainly
        /// It is not known any more what the session holds. Only its end settles that.
        case givenUp(Failure)
        /// An event contradicts an invariant. The session is given up.
        case invariantBroken(String)
    }
}
