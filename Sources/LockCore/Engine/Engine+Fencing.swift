// Fencing tokens grow with every grant of a key, so that what is written to under a lock can refuse its former holders. See
// ``FencingRecords``. A record may have to wait for the disk, so it is written on a session of its own, one for all the locks that were
// granted meanwhile.
extension Engine {
    // MARK: What users ask for

    /// The holder `id` wants a token that is greater than those of all who shared the lock with it. Can't be cancelled, and
    /// ends by `changed` or `failed`.
    package mutating func requestToken(_ call: RequestID, of id: RequestID, now: Instant) {
        guard let session = table.session(of: id), let key = table.request(id)?.key else {
            calls.begin(call, CallRegister.Call(.changing, since: now))
            resolve(call, .failed(Failure(.notHeld, .notHeld)))
            return
        }
        calls.begin(call, CallRegister.Call(.fencing(key), since: now))
        dropRecord(key)
        confirmations.insert(call, Confirmations.Grant(session: session, holder: id, key: key))
        records.renew(key, for: call, on: session)
        ensureFencingSession(now: now)
    }

    // MARK: Records

    mutating func beginRecord(_ key: AdvisoryKey, on session: ConnectionID, now: Instant) {
        if records.begin(key, on: session) { ensureFencingSession(now: now) }
    }

    /// The token of a request that is given out.
    mutating func takeToken(_ key: AdvisoryKey, for holder: RequestID) {
        guard let (position, index) = records.takeToken(key) else { return }
        actions.append(.giveToken(holder, position, index: index))
    }

    /// One record for all that wait for one.
    mutating func writeRecord(now: Instant) {
        guard records.isAnyToWrite, let id = fencingSession, sessions[id]?.isIdle == true, records.beginWriting() else { return }
        sessions.update(id) { $0.record() }
        submit(.position, on: id, now: now)
    }

    mutating func recordFailed(_ failure: Failure, on id: ConnectionID, now: Instant) {
        becomeIdle(id, now: now)
        failUnconfirmed(records.writingFailed(), failure)
    }

    mutating func recordWritten(_ position: WALPosition, on id: ConnectionID, now: Instant) {
        becomeIdle(id, now: now)
        for session in records.written(position, sentCount: { [sessions] in sessions[$0]?.sentCount }) {
            settleUnconfirmed(on: session, now: now)
        }
    }

    /// The calls that wait for a token of these keys are told that there is none.
    private mutating func failUnconfirmed(_ keys: Set<AdvisoryKey>, _ failure: Failure) {
        guard !keys.isEmpty else { return }
        for call in confirmations.calls(waitingFor: keys) {
            resolve(call, .failed(failure))
        }
    }

    mutating func failRecords(_ failure: Failure) { failUnconfirmed(records.failAll(), failure) }

    /// The lock is let go of.
    mutating func dropRecord(_ key: AdvisoryKey) {
        for call in records.drop(key) {
            resolve(call, .failed(Failure(.notHeld, .releasedWithoutToken)))
        }
    }

    mutating func dropRecords(on id: ConnectionID, because failure: Failure) {
        guard !records.isEmpty else { return }
        records.drop(on: id)
        for call in confirmations.renewals(on: id) {
            resolve(call, .failed(failure))
        }
    }

    // MARK: The session

    /// The session that records are written on.
    var fencingSession: ConnectionID? {
        configuration.isFencing ? sessions.first { $0.role == .fencing } : nil
    }

    mutating func ensureFencingSession(now: Instant) {
        guard records.isAnyToWrite, fencingSession == nil else { return }
        open(.fencing, now: now)
    }

    /// Whether a lock is granted, and there is no session to write its record.
    func isWaitingForFencingSession(_ key: AdvisoryKey) -> Bool {
        guard records.isUnwritten(key) else { return false }
        return fencingSession.map { sessions[$0]?.isConnecting == true } ?? true
    }
}
