// Fencing tokens grow with every grant of a key, so that whatever is written to under a lock can refuse who held it before.
//
// They come from the server's log, which only grows, over crashes and promotions too. Once a lock was granted, a record is
// written to the log; its place, when it is on disk, is the token. Locks that are passed on inside the process get further
// numbers of the same place. A record may have to wait for the disk, so it is written on a connection of its own, one for
// all the locks that were granted meanwhile.
//
// The session may have died between the grant and the record, and somebody else may have had the lock, and a token, in
// between. So the session must answer something that it was sent after the record was there.
extension Engine {
    struct Fence: Sendable {
        /// Tells it from others for the same key.
        let number: Int
        let session: ConnectionID
        var position: WALPosition?
        /// How much the session had been sent when the position was known.
        var sentBefore = 0
        /// The session has lived when the position was known.
        var isConfirmed = false
        var nextIndex: UInt32 = 0
    }

    // MARK: What users ask for

    /// The holder `id` wants a token that is greater than those of all who shared the lock with it. Can't be cancelled, and
    /// ends by `changed` or `failed`.
    package mutating func fence(_ call: RequestID, of id: RequestID, now: Instant) {
        guard let session = table.session(of: id), let key = table.request(id)?.key else {
            calls[call] = Call(kind: .changing, deadline: nil, since: now)
            resolve(call, .failed(Failure(.notHeld, "The lock is not held.")))
            return
        }
        calls[call] = Call(kind: .fencing(key), deadline: nil, since: now)
        dropFence(key)
        unconfirmed[call] = Unconfirmed(session: session, holder: id, key: key)
        renewals[key, default: []].append(call)
        beginFence(key, on: session, now: now)
    }

    // MARK: Records

    func isFenced(_ key: AdvisoryKey) -> Bool { fences[key]?.isConfirmed == true }

    mutating func beginFence(_ key: AdvisoryKey, on session: ConnectionID, now: Instant) {
        guard fences[key] == nil else { return }
        nextFence += 1
        fences[key] = Fence(number: nextFence, session: session)
        fencesToWrite.append(key)
        ensureScribe(now: now)
    }

    /// The token of a request that is given out.
    mutating func takeToken(_ key: AdvisoryKey, for holder: RequestID) {
        guard let fence = fences[key], let position = fence.position else { return }
        actions.append(.fence(holder, position, index: fence.nextIndex))
        // Whoever comes after the last one gets a position of its own.
        if fence.nextIndex < .max { fences[key]?.nextIndex += 1 } else { fences[key] = nil }
    }

    /// One record for all that wait for one.
    mutating func writeFences(now: Instant) {
        guard !fencesToWrite.isEmpty, let id = scribe, sessions[id]?.isIdle == true else { return }
        fencesBeingWritten = fencesToWrite.compactMap { key in fences[key].map { (key, $0.number) } }
        fencesToWrite.removeAll(keepingCapacity: true)
        guard !fencesBeingWritten.isEmpty else { return }
        sessions.update(id) { $0.record() }
        submit(.position, on: id, now: now)
    }

    mutating func positionAnswered(on id: ConnectionID, _ answer: Answer, now: Instant) {
        let written = fencesBeingWritten.filter { fences[$0.key]?.number == $0.number }.map(\.key)
        fencesBeingWritten = []
        becomeIdle(id, now: now)
        guard let position = answer.position else {
            failFences(written, answer.failure ?? .unexpectedAnswer)
            return
        }
        var holders: Set<ConnectionID> = []
        for key in written {
            guard let session = fences[key]?.session, let sentCount = sessions[session]?.sentCount else { continue }
            fences[key]?.position = position
            fences[key]?.sentBefore = sentCount
            holders.insert(session)
        }
        for session in holders.sorted() { settleUnconfirmed(on: session, now: now) }
    }

    /// Those who wait for a token of these keys are told that there is none.
    private mutating func failFences(_ keys: [AdvisoryKey], _ failure: Failure) {
        guard !keys.isEmpty else { return }
        for key in keys { fences[key] = nil }
        let failed = Set(keys)
        for call in unconfirmed.filter({ $0.value.key.map(failed.contains) ?? false }).keys.sorted() {
            resolve(call, .failed(failure))
        }
    }

    /// The lock is let go of, and what was known of its tokens does not hold for the next one.
    mutating func dropFence(_ key: AdvisoryKey) {
        guard !fences.isEmpty, fences.removeValue(forKey: key) != nil else { return }
        for call in renewals[key] ?? [] {
            resolve(call, .failed(Failure(.notHeld, "The lock was released before it had its token.")))
        }
    }

    mutating func dropFences(on id: ConnectionID, because failure: Failure) {
        guard !fences.isEmpty else { return }
        fences = fences.filter { $0.value.session != id }
        for call in unconfirmed.filter({ $0.value.session == id && $0.value.holder != $0.key }).keys.sorted() {
            resolve(call, .failed(failure))
        }
    }

    // MARK: The connection

    /// The connection on which positions are asked for.
    var scribe: ConnectionID? {
        configuration.isFencing ? sessions.first { $0.role == .scribe } : nil
    }

    mutating func ensureScribe(now: Instant) {
        guard !fencesToWrite.isEmpty, scribe == nil else { return }
        open(.scribe, now: now)
    }

    /// What was being written is written again: nobody knows whether it was.
    mutating func abandonScribe() {
        fencesToWrite = fencesBeingWritten.filter { fences[$0.key]?.number == $0.number }.map(\.key) + fencesToWrite
        fencesBeingWritten = []
    }

    /// Whether a lock is granted, and nobody is there to write its record.
    func isWaitingForScribe(_ key: AdvisoryKey) -> Bool {
        guard let fence = fences[key], fence.position == nil else { return false }
        return scribe.map { sessions[$0]?.isConnecting == true } ?? true
    }

    mutating func failAllFences(_ failure: Failure) {
        failFences(fences.filter { $0.value.position == nil }.keys.sorted(), failure)
    }
}
