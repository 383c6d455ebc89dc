// One transaction around many rounds, where each transaction's end would cost more than the round: see `BatchTransaction`.
extension Engine {
    /// Ends the transactions that are not used any more.
    mutating func endIdleTransactions(now: Instant) {
        for slot in shared.slots {
            guard let end = shared.transactionEnd(at: slot), end <= now, isFree(shared[slot]) else { continue }
            endTransaction(on: shared[slot], isOpen: true, now: now)
        }
    }

    var nextTransactionEnd: Instant? {
        mutating get {
            var next: Instant?
            for slot in shared.slots {
                guard let end = shared.transactionEnd(at: slot), isFree(shared[slot]) else { continue }
                next = min(next ?? end, end)
            }
            return next
        }
    }

    /// An error has made the server refuse everything up to the end of the transaction, so that end is sent at once. It needs
    /// no `ROLLBACK`: a `COMMIT` ends a failed transaction too.
    ///
    /// - Parameter isOpen: If not, the transaction did not even begin, and the statements behind run in one each.
    mutating func endTransaction(on id: ConnectionID, isOpen: Bool, now: Instant) {
        guard shared.endTransaction(on: id), isOpen else { return }
        submit(.commit, on: id, now: now)
    }

    /// What was sent behind the error was refused before it did anything, and has to be sent again.
    mutating func putBack(_ work: Work, of id: ConnectionID, now: Instant) {
        switch work {
        case .batch(let batch) where batch.kind.verb == .tryLock:
            for key in batch.keys { shared.appendTry(key, batch.kind.mode) }
        case .batch(let batch):
            for key in batch.keys { _ = shared.appendUnlock(key, batch.kind.mode, on: id) }
        case .changeMode:
            submit(work, on: id, now: now)
        case .cancel(let target, _):
            shared.appendCancel(target)
        case .look:
            planNextLook(now: now)
        case .countLocks:
            quota.countAbandoned(on: id, isLost: false, now: now)
        case .begin, .commit, .wait, .releaseAll, .heartbeat, .askActivity, .position, .statement:
            break
        }
    }
}
