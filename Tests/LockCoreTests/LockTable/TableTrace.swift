import LockCore

/// A random stream of events for a lock table, with a server that answers as it likes. The seed decides everything.
struct TableTrace {
    private(set) var model: TableModel
    private(set) var table: LockTable
    private var random: SplitMix64
    private var now = Instant(nanoseconds: 0)
    private var nextID: UInt64 = 1
    private let keyCount: Int
    private let crowd: Int
    private let limit: HandoffLimit
    private(set) var events = 0
    /// Every key on which something may have changed.
    private let keys: [AdvisoryKey]

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        keyCount = Int.random(in: 1...4, using: &random)
        crowd = Int.random(in: 2...20, using: &random)
        keys = (1...keyCount).map { AdvisoryKey(Int64($0)) }
        let limits = [
            HandoffLimit(count: 0, duration: .zero), HandoffLimit(count: 3, duration: .milliseconds(20)), .unlimited,
            HandoffLimit(count: 16, duration: .milliseconds(50)),
        ]
        limit = limits[Int.random(in: 0..<limits.count, using: &random)]
        model = TableModel(limit: limit)
        table = LockTable(limit: limit)
    }

    mutating func run(events count: Int) {
        while events < count, model.violations.isEmpty {
            step()
        }
        drain()
    }

    private mutating func happens(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.randomElement(using: &random)
    }

    private mutating func step() {
        now = now.advanced(by: .microseconds(Int.random(in: 0...2000, using: &random)))
        let key = keys[Int.random(in: 0..<keys.count, using: &random)]
        let state = model.keys[key] ?? .init()
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<40:
            if state.queue.count + state.holders.count < crowd { request(key, state) } else { release(state) }
        case 40..<50:
            if let id = pick(state.queue) { cancel(id) }
        case 50..<54:
            change(state)
        case 54..<75:
            release(state)
        case 75..<99:
            answer(key, state)
        default:
            lose(ConnectionID(Int.random(in: 1...5, using: &random)))
        }
        settle([key])
    }

    /// Looks at what the table did because of an event.
    private mutating func settle(_ keys: [AdvisoryKey]) {
        events += 1
        model.check(table.takeActions(), now: now)
        for key in keys { model.checkNothingForgotten(key, now: now) }
    }

    // MARK: Events

    private mutating func request(_ key: AdvisoryKey, _ state: TableModel.Key) {
        let id = RequestID(nextID)
        nextID += 1
        let request = LockTable.Request(
            key,
            happens(40) ? .shared : .exclusive,
            scope: happens(25) ? .transaction : .session,
            noWait: happens(25)
        )
        let enclosing = happens(20) ? pick(state.holders) : nil
        let holder = enclosing.flatMap { model.requests[$0] }
        let joins =
            request.mode == .shared && request.scope == .session && holder?.mode == .shared && holder?.scope == .session
            && state.change == nil
        if joins {
            // Joining is no handoff, whatever the limit says.
            table.request(id, request, enclosing: enclosing, now: now)
            if table.takeActions() != [.grant(id)] { model.report("\(id) does not join") }
            model.join(id, request)
            return
        }
        model.request(id, request)
        table.request(id, request, enclosing: enclosing, now: now)
        let isIdle = state.queue.isEmpty && state.holders.isEmpty && state.asked == nil && state.held == nil
        let actions = table.takeActions()
        if isIdle, actions.contains(.refuse(id)) { model.report("\(id) is refused, though \(key) is neither held nor wanted") }
        model.check(actions, now: now)
    }

    private mutating func cancel(_ id: RequestID) {
        table.cancel(id, now: now)
        model.cancel(id)
    }

    private mutating func release(_ state: TableModel.Key) {
        guard let id = pick(state.holders) else { return }
        table.release(id, now: now)
        model.release(id)
    }

    private mutating func change(_ state: TableModel.Key) {
        guard let id = pick(state.holders), model.requests[id]?.scope == .session else { return }
        let call = RequestID(nextID)
        nextID += 1
        let mode: Mode = happens(50) ? .shared : .exclusive
        model.change(call, of: id, to: mode)
        table.change(call, of: id, to: mode, now: now)
    }

    private mutating func answer(_ key: AdvisoryKey, _ state: TableModel.Key) {
        if let joining = state.joining, happens(30) { return answer(joining, key) }
        if state.isUnlocking {
            let connection = state.held?.connection ?? 0
            // That of another session is for something else.
            table.unlocked(key, on: connection == 5 ? 4 : 5, now: now)
            model.unlocked(key, now: now)
            table.unlocked(key, on: connection, failure: happens(5) ? .lost : nil, now: now)
            return
        }
        if let change = state.change {
            // Towards shared it always works.
            let isChanged = change.mode == .shared || happens(50)
            model.changeAnswered(key, isChanged, now: now)
            table.modeChanged(key, isChanged, now: now)
            return
        }
        switch state.asked {
        case .trying(let mode):
            if happens(4) { return fail(key) }
            happens(50) ? grant(key, mode) : refuse(key)
        case .waiting(let mode):
            if happens(4) { return fail(key) }
            // A wait that was not ended is granted in the end.
            grant(key, mode)
        case .ending(let mode):
            happens(30) ? grant(key, mode) : refuse(key)
        default:
            guard state.joining == nil else { return }
            // Answers to what was never asked change nothing.
            table.notGranted(key, now: now)
            table.waitCancelled(key, now: now)
            table.failed(key, .full, now: now)
            table.unlocked(key, on: 1, now: now)
            table.modeChanged(key, true, now: now)
        }
    }

    /// The question whether others may join is answered, on a session that does not hold the key.
    private mutating func answer(_ joining: TableModel.Joining, _ key: AdvisoryKey) {
        if happens(joining.isEnding ? 30 : 80) {
            let connection = ConnectionID(Int.random(in: 4...5, using: &random))
            guard connection != model.keys[key]?.held?.connection else { return }
            model.joinAnswered(key, granted: connection, now: now)
            return table.granted(key, on: connection, now: now)
        }
        model.joinAnswered(key, granted: nil, now: now)
        if joining.isEnding { return table.notGranted(key, now: now) }
        if happens(50) { table.failed(key, .full, now: now) } else { table.waitCancelled(key, now: now) }
    }

    private mutating func fail(_ key: AdvisoryKey) {
        model.answered(key, granted: nil, on: 0, now: now)
        if happens(50) { table.failed(key, .full, now: now) } else { table.waitCancelled(key, now: now) }
    }

    private mutating func grant(_ key: AdvisoryKey, _ mode: Mode) {
        let connection = ConnectionID(Int.random(in: 1...3, using: &random))
        model.answered(key, granted: mode, on: connection, now: now)
        table.granted(key, on: connection, now: now)
    }

    private mutating func refuse(_ key: AdvisoryKey) {
        model.answered(key, granted: nil, on: 0, now: now)
        table.notGranted(key, now: now)
    }

    private mutating func lose(_ connection: ConnectionID) {
        model.lost(connection, now: now)
        table.lost(connection, .lost, now: now)
        settle(keys)
    }

    // MARK: The end

    /// There are no new requests, holders release, and the server answers everything.
    private mutating func drain() {
        var rounds = 0
        while !table.isEmpty, model.violations.isEmpty {
            rounds += 1
            guard rounds < 10_000 else { return model.report("never empty: \(table)") }
            for key in keys {
                let state = model.keys[key] ?? .init()
                if let id = state.holders.first {
                    table.release(id, now: now)
                    model.release(id)
                } else if state.change != nil {
                    model.changeAnswered(key, true, now: now)
                    table.modeChanged(key, true, now: now)
                } else if state.isUnlocking {
                    model.unlocked(key, now: now)
                    table.unlocked(key, on: state.held?.connection ?? 0, now: now)
                } else {
                    switch state.asked {
                    case .trying(let mode), .waiting(let mode), .ending(let mode): grant(key, mode)
                    default: break
                    }
                }
                settle([key])
            }
        }
        guard model.violations.isEmpty else { return }
        if !model.requests.isEmpty || !model.releasing.isEmpty || !model.changing.isEmpty {
            model.report("forgotten: \(model.requests.keys.sorted()) \(model.releasing.keys.sorted())")
        }
    }
}
