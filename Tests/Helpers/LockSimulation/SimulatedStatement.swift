import LockCore

/// What a session can be asked to run.
enum SimulatedStatement {
    case batch(Engine.Batch)
    case wait(AdvisoryKey, Mode, limit: Duration?)
    case releaseAll
    case changeMode(AdvisoryKey, Mode)
    case cancel(SimulatedSession?, SimulatedCancelAim, onlyLockWaits: Bool)
    /// `BEGIN`, and a lock until the end of the transaction.
    case transactionLock(AdvisoryKey, Mode, isTry: Bool)
    case work(Duration)
    case begin
    case commit
    case heartbeat
    /// Writes a record to the log.
    case position
    case probe(SimulatedSession?)
    case look([SimulatedSession?])
    case countLocks
    case endTransaction
}

struct SimulatedReply {
    var rows: [Bool] = []
    var position: WALPosition?
    var count: Int?
    var failure: Failure?
}
