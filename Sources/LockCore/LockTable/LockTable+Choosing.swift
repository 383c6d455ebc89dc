// Requests for any one of several keys.
//
// Such a request has no entry in the keys' queues, and the server is asked for it only about keys that no session of this process holds in
// session scope, asks for, or gives back. (A session gets again what it holds, so the process would have a key twice.) While the keys are
// tried, their entries keep other requests of the process from asking. A grant makes the request one for that key.
extension LockTable {
    /// A new request. It is granted at once if the process holds one of the keys without a holder, or shared.
    package mutating func requestAny(_ id: RequestID, _ choice: Choice, now: Instant) {
        choices.append(id, choice)
        guard !serve(id, now: now) else { return }
        dropTakenHere(id)
        refuseHopeless()
    }

    /// Whether the keys of any such request are to be tried with the next round.
    var areChoicesDue: Bool { choices.isDue }
    /// How many keys have a slot in the server's lock table, or may get one by what is tried.
    var takenCount: Int { serverKeyCount + choices.triedCount }
    var nextChoicePoll: Instant? { choices.nextPoll }

    mutating func planChoicePolls(using random: inout SplitMix64, now: Instant) {
        if !choices.isEmpty { choices.planPolls(using: &random, now: now) }
    }

    mutating func pollChoicesIfPlanned(now: Instant) {
        if !choices.isEmpty { choices.pollIfPlanned(now: now) }
    }

    /// Whether the request waits for any of its keys.
    func isChoosing(_ id: RequestID) -> Bool { choices[id] != nil }

    /// The keys of which it is not known that they were taken since the request came.
    func undecidedKeys(of id: RequestID, since: Instant) -> [AdvisoryKey] {
        choices.unknownKeys(of: id).filter { !isTaken($0, since: since) }
    }

    // MARK: Asking the server

    /// What the server is to be asked for the requests that are due. Requests for the same keys share a statement.
    ///
    /// - Parameters:
    ///   - room: How many keys may be taken.
    ///   - most: How many statements there may be. What is left is due again.
    /// - Returns: Also whether requests were left out for want of room. They stay due.
    mutating func takeChoiceTries(
        room: Int,
        most: Int,
        using random: inout SplitMix64,
        now: Instant
    ) -> (tries: [ChoiceTry], isCramped: Bool) {
        struct Bundle {
            let wanted: [AdvisoryKey]
            let mode: Mode
            let keys: [AdvisoryKey]
            var count = 1
        }
        var bundles: [Bundle] = []
        var (count, isCramped) = (0, false)
        for id in choices.dueIDs {
            guard let choice = choices[id], !serve(id, now: now) else { continue }
            let mode = choice.mode
            dropTakenHere(id)
            let wanted = choices.wanted(by: id)
            if let index = bundles.firstIndex(where: { $0.mode == mode && $0.wanted == wanted }) {
                guard bundles[index].count < bundles[index].keys.count else { continue }
                guard count < room else {
                    isCramped = true
                    continue
                }
                bundles[index].count += 1
                count += 1
                choices.noteTried(id)
                continue
            }
            let free = wanted.filter { entries[$0]?.mayBeChosen(mode) ?? true }
            if free.isEmpty {
                choices.setDue(id, wanted.contains(where: isAboutToBeKnown))
            } else if count >= room {
                isCramped = true
            } else if bundles.count < most {
                // In an order of chance, so that processes do not meet at the same key. An order in SQL would take all.
                let keys = Array(free.shuffled(using: &random).prefix(ChoiceTry.mostKeys))
                for key in keys {
                    let index = entries.makeIndex(of: key)
                    entries[index].server = .choosing(mode)
                }
                bundles.append(Bundle(wanted: wanted, mode: mode, keys: keys))
                count += 1
                choices.noteTried(id)
                if choice.noWait, keys.count < free.count { choices.setDue(id, true) }
            }
        }
        refuseHopeless()
        choices.endRound()
        choices.noteSent(count, of: bundles.lazy.flatMap(\.keys))
        return (bundles.map { ChoiceTry($0.keys, $0.mode, count: $0.count) }, isCramped)
    }

    /// Whether an answer under way says soon whether the key is free.
    private func isAboutToBeKnown(_ key: AdvisoryKey) -> Bool {
        switch entries[key]?.server {
        case .trying, .choosing, .unlocking, .changing, .ending: true
        case .none?, .waiting, .held, nil: false
        }
    }

    // MARK: What the server answers

    /// - Parameters:
    ///   - places: Of the keys that were taken, in the order in which they were tried.
    ///   - isWhole: Whether the statement has come to its end. If not, nothing is said about the other keys yet.
    mutating func choiceTried(_ attempt: ChoiceTry, took places: [Int], isWhole: Bool, on connection: ConnectionID, now: Instant) {
        choices.noteAnswered(isWhole ? attempt.count : places.count, granted: places.count)
        let taken = Set(places)
        // What comes behind the last one was not tried.
        let triedCount = places.count < attempt.count ? attempt.keys.count : (places.last ?? -1) + 1
        if isWhole {
            let others = attempt.keys.enumerated().filter { !taken.contains($0.offset) }
            choices.noteTaken(Set(others.filter { $0.offset < triedCount }.map(\.element)), by: attempt.mode)
            choices.noteFree(Set(others.filter { $0.offset >= triedCount }.map(\.element)))
        }
        for (place, key) in attempt.keys.enumerated() where isWhole || taken.contains(place) {
            guard let index = entries.index(of: key), case .choosing = entries[index].server else { continue }
            if taken.contains(place) {
                entries[index].serverGranted(on: connection, now: now)
                serveChoices(at: index, isChosen: true, now: now)
            } else {
                if place < triedCount { entries[index].takenAt = now }
                entries[index].server = .none
            }
            advance(index, now: now)
        }
        if isWhole { choices.noteEnd(of: attempt.keys) }
        refuseHopeless()
    }

    /// What was tried is certainly not held on the session that has tried it, or was lost with it.
    ///
    /// - Parameters:
    ///   - count: How many keys it could still have taken.
    ///   - failure: What the requests for the keys are told; `nil` if the keys are tried again.
    mutating func choiceFailed(_ keys: [AdvisoryKey], count: Int, _ failure: Failure?, now: Instant) {
        choices.noteAnswered(count, granted: 0)
        choices.noteEnd(of: keys)
        let keys = keys.filter { if case .choosing = serverState(of: $0) { true } else { false } }
        for id in choices.ids where choices.isAsked(id) && choices.wanted(by: id).contains(where: keys.contains) {
            if let failure { fail(id, failure) } else { choices.setDue(id, true) }
        }
        for key in keys {
            guard let index = entries.index(of: key) else { continue }
            entries[index].server = .none
            advance(index, now: now)
        }
    }

    // MARK: Requests that fail

    /// The server can't be asked: the requests that are to be tried fail.
    mutating func failDueChoices(_ failure: Failure) {
        for id in choices.dueIDs { fail(id, failure) }
    }

    /// There is no room for a further key: new requests fail, and those that were tried before are tried again later.
    mutating func noRoomForChoices(_ failure: Failure) {
        for id in choices.dueIDs {
            if choices.isAsked(id) { choices.setDue(id, false) } else { fail(id, failure) }
        }
        choices.endRound()
    }

    private mutating func fail(_ id: RequestID, _ failure: Failure) {
        choices.remove(id)
        actions.append(.fail(id, failure))
    }

    /// Tells the requests that do not wait that all their keys are taken.
    private mutating func refuseHopeless() {
        for id in choices.hopeless {
            choices.remove(id)
            actions.append(.refuse(id))
        }
    }

    /// A request that does not wait gets no key that others of this process hold or wait for.
    private mutating func dropTakenHere(_ id: RequestID) {
        guard let choice = choices[id], choice.noWait else { return }
        choices.dropUnknown(id) { [entries] key in
            guard let entry = entries[key] else { return false }
            if case .held = entry.server { return true }
            return !entry.mayAdmitTry(choice.mode)
        }
    }

    // MARK: Granting

    /// - Returns: Whether it was granted a key that the process holds.
    private mutating func serve(_ id: RequestID, now: Instant) -> Bool {
        guard let choice = choices[id] else { return false }
        for key in choice.keys {
            guard let index = entries.index(of: key), entries[index].mayBeJoined(choice.mode, limit: limit, now: now) else { continue }
            grant(id, at: index, now: now)
            advance(index, now: now)
            return true
        }
        return false
    }

    /// Gives what the process holds to the requests that wait for any of several keys, unless a request for this key waits.
    ///
    /// - Parameter isChosen: Whether the server has just granted it for one of them, so requests for the key alone come behind it.
    mutating func serveChoices(at index: Int, isChosen: Bool = false, now: Instant) {
        while case .held(let mode, _) = entries[index].server, isChosen || !entries[index].isWanted,
            entries[index].mayBeJoined(mode, behindQueue: isChosen, limit: limit, now: now),
            let id = choices.first(wanting: entries[index].key, mode)
        {
            grant(id, at: index, now: now)
            if isChosen { return }
        }
    }

    private mutating func grant(_ id: RequestID, at index: Int, now: Instant) {
        guard let choice = choices[id] else { return }
        choices.remove(id)
        var granted = QueuedRequest(request: Request(entries[index].key, choice.mode, noWait: choice.noWait), entry: index)
        granted.request.isGranted = true
        requests[id] = granted
        entries[index].join(choice.mode, limit: limit, now: now)
        actions.append(.choose(id, entries[index].key))
        actions.append(.grant(id))
    }
}
