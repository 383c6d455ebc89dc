// Contended keys beyond the waiters: tried again on the carrier, many at a time, with growing pauses in between.
extension Engine {
    /// The pause is over.
    mutating func poll(now: Instant) {
        guard let due = pollAt, due <= now else { return }
        pollAt = nil
        isPollDue = true
        ensureCarrier(now: now)
    }

    /// Puts the next part of the queue into the round that is about to be sent.
    ///
    /// A part has a limit, so that a round does not grow without bound: whoever else needs the carrier waits for its end.
    /// And it leaves half of the room in the lock table to the new requests that come meanwhile, since those are refused
    /// where there is none.
    mutating func sendPoll(now: Instant) {
        guard isPollDue else { return }
        isPollDue = false
        let limit = room.map { max(hasRoomToWait ? 1 : 0, $0 / 2) } ?? .max
        for key in waitQueue.nextPart(min(configuration.pollSize, limit)) {
            guard let wait = waits[key] else { continue }
            waits[key]?.isPolling = true
            pollCount += 1
            pending.append(key, wait.mode)
        }
        schedulePoll(now: now)
    }

    /// A try was answered.
    ///
    /// - Returns: Whether it was a poll of a key that goes on waiting.
    mutating func pollAnswered(_ key: AdvisoryKey, isGranted: Bool, now: Instant) -> Bool {
        guard let wait = waits[key], wait.isPolling else { return false }
        if isGranted { pollBackoff.reset() }
        guard !isGranted, !wait.isUnwanted else {
            forgetWait(key)
            schedulePoll(now: now)
            return false
        }
        waits[key]?.isPolling = false
        pollCount -= 1
        schedulePoll(now: now)
        return true
    }

    /// The poll went down with its connection.
    ///
    /// - Returns: Whether the key goes on waiting.
    mutating func pollAbandoned(_ key: AdvisoryKey, now: Instant) -> Bool {
        pollAnswered(key, isGranted: false, now: now)
    }

    /// Plans the next poll, once the last one is answered to the last key: the pause is between them, so that a slow server
    /// is not asked faster than it answers.
    mutating func schedulePoll(now: Instant) {
        guard pollAt == nil, !isPollDue, pollCount == 0, !waitQueue.isEmpty else { return }
        pollAt = now.advanced(by: pollBackoff.next(using: &random))
    }
}
