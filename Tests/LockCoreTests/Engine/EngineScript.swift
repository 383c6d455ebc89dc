import LockServerModel

@testable import LockCore

/// An engine with a clock that the test sets. Each event returns the actions that it has caused, without those for the log.
struct EngineScript {
    /// The engine can't be copied, as operands of `#expect` have to be.
    private final class Holder {
        var engine: Engine

        init(_ configuration: Engine.Configuration) { engine = Engine(configuration: configuration) }
    }

    private let holder: Holder
    var now = Instant(nanoseconds: 0)
    /// Whether sessions have come to their end at the server as soon as they are closed.
    var endsAtOnce = true
    /// When the engine wants to be woken, as the last turn has said.
    private(set) var wake: Instant?
    /// The session whose answer is all that is waited for, and whether any answer is needed, as the last turn has said.
    private(set) var lone: ConnectionID?
    private(set) var isAnswerNeeded = false

    init(maximumConnections: Int = 8, _ configure: (inout Engine.Configuration) -> Void = { _ in }) {
        var configuration = Engine.Configuration()
        configuration.maximumConnections = maximumConnections
        configure(&configuration)
        holder = Holder(configuration)
    }

    var engine: Engine {
        _read { yield holder.engine }
        _modify { yield &holder.engine }
    }

    var isQuiet: Bool { engine.isQuiet }
    var heldKeys: [AdvisoryKey] { engine.heldKeys }
    var waitingCount: Int { engine.waitingCount }
    var connectionCount: Int { engine.connectionCount }
    var sessionCount: Int { engine.sessionCount }

    /// An event that comes alone in its turn.
    @discardableResult
    mutating func on(_ event: (inout Engine, Instant) -> Void) -> [Engine.Action] {
        engine.handle(now: now, event)
        let end = engine.endTurn(now: now)
        (wake, lone, isAnswerNeeded) = (end.wake, end.loneConnection, end.isAnswerNeeded)
        var actions = engine.takeActions()
        if endsAtOnce {
            for case .close(let id) in actions { engine.ended(id) }
            actions += engine.takeActions()
            wake = engine.endTurn(now: now).wake
        }
        return actions.filter { if case .log = $0 { false } else { true } }
    }

    @discardableResult
    mutating func acquire(
        _ id: RequestID,
        _ mode: Mode = .exclusive,
        _ key: AdvisoryKey = 1,
        scope: LockTable.Scope = .session,
        noWait: Bool = false,
        within limit: Duration? = nil
    ) -> [Engine.Action] {
        let deadline = limit.map { now.advanced(by: $0) }
        let request = LockTable.Request(key, mode, scope: scope, noWait: noWait, deadline: deadline)
        return on { $0.acquire(id, request, deadline: deadline, now: $1) }
    }

    @discardableResult
    mutating func acquireAny(
        _ id: RequestID,
        of keys: AdvisoryKey...,
        mode: Mode = .exclusive,
        noWait: Bool = false,
        pollPause: Duration? = nil,
        within limit: Duration? = nil
    ) -> [Engine.Action] {
        let deadline = limit.map { now.advanced(by: $0) }
        let choice = LockTable.Choice(keys, mode, noWait: noWait, pollPause: pollPause)
        return on { $0.acquireAny(id, choice, deadline: deadline, now: $1) }
    }

    /// The session answers its oldest try of several keys: it has taken these, and no others.
    @discardableResult
    mutating func took(_ id: ConnectionID, _ keys: AdvisoryKey..., failure: Failure? = nil) -> [Engine.Action] {
        guard case .tryAny(let attempt) = engine.sessions[id]?.oldestWork else { return [] }
        let places = attempt.keys.indices.filter { keys.contains(attempt.keys[$0]) }
        return on { $0.answered(id, .chosen(places, failure: failure), now: $1) }
    }

    @discardableResult
    mutating func cancel(_ id: RequestID) -> [Engine.Action] {
        on { $0.cancel(id, now: $1) }
    }

    @discardableResult
    mutating func release(_ id: RequestID, isAwaited: Bool = true) -> [Engine.Action] {
        on { $0.release(id, isAwaited: isAwaited, now: $1) }
    }

    @discardableResult
    mutating func change(_ call: RequestID, of id: RequestID, to mode: Mode) -> [Engine.Action] {
        on { $0.change(call, of: id, to: mode, now: $1) }
    }

    @discardableResult
    mutating func connected(_ id: ConnectionID) -> [Engine.Action] {
        on { $0.connected(id, now: $1) }
    }

    @discardableResult
    mutating func connectFailed(_ id: ConnectionID, _ failure: Failure = .unreachable) -> [Engine.Action] {
        on { $0.connectFailed(id, failure, now: $1) }
    }

    @discardableResult
    mutating func answered(_ id: ConnectionID, rows: [Bool], failure: Failure? = nil) -> [Engine.Action] {
        let answer = Engine.Answer(rows, failure: failure, to: engine.sessions[id]?.oldestWork)
        return on { $0.answered(id, answer, now: $1) }
    }

    @discardableResult
    mutating func answered(_ id: ConnectionID, _ rows: Bool..., failure: Failure? = nil) -> [Engine.Action] {
        answered(id, rows: rows, failure: failure)
    }

    /// The first connection, a shared session, answers what another session does.
    @discardableResult
    mutating func answeredActivity(_ activity: Engine.BackendActivity) -> [Engine.Action] {
        switch activity {
        case .hidden: answered(1, false, false, false)
        case .quiet: answered(1, true, false, false)
        case .active(let isHeard): answered(1, true, true, isHeard)
        }
    }

    @discardableResult
    mutating func lost(_ id: ConnectionID) -> [Engine.Action] {
        on { $0.lost(id, .lost, now: $1) }
    }

    @discardableResult
    mutating func pass(_ duration: Duration) -> [Engine.Action] {
        now = now.advanced(by: duration)
        return on { $0.advance(to: $1) }
    }

    /// Passes the time until the engine wants to be woken.
    @discardableResult
    mutating func passToNextWake() -> [Engine.Action] {
        guard let wake else { return [] }
        return pass(max(now.duration(to: wake), .zero))
    }

    // MARK: Situations

    /// Connects the shared session, which is connection 1, and lets request 1 hold the key 1 on it.
    static func holding(_ mode: Mode = .exclusive, maximumConnections: Int = 8) -> EngineScript {
        var script = EngineScript(maximumConnections: maximumConnections)
        script.acquire(1, mode)
        script.connected(1)
        script.answered(1, true)
        return script
    }

    /// Request 1 waits for the key 1 on the waiting session, which is connection 2; the shared session is connection 1.
    static func waiting(_ mode: Mode = .exclusive, maximumConnections: Int = 8) -> EngineScript {
        var script = EngineScript(maximumConnections: maximumConnections)
        script.acquire(1, mode)
        script.connected(1)
        script.answered(1, false)
        script.connected(2)
        return script
    }
}

extension Failure {
    static let unreachable = Failure(.unreachable, "Connection refused.")
    static let wrongPassword = Failure(.authentication, "Wrong password.", sqlState: "28P01")
}

extension Engine.Work {
    static func unlock(_ keys: AdvisoryKey..., mode: Mode = .exclusive) -> Self {
        .batch(.init(.init(.unlock, mode, .int8), keys))
    }

    static func tryLock(_ keys: AdvisoryKey..., mode: Mode = .exclusive) -> Self {
        .batch(.init(.init(.tryLock, mode, .int8), keys))
    }
}

extension [Engine.Action] {
    /// The first connection that is to be made.
    var connecting: ConnectionID? {
        for case .connect(let id, _) in self { return id }
        return nil
    }

    /// All keys of the batches that are sent.
    var keys: Set<AdvisoryKey> {
        var keys: Set<AdvisoryKey> = []
        for case .submit(_, .batch(let batch)) in self { keys.formUnion(batch.keys) }
        return keys
    }

    /// The tries of several keys that are sent.
    var choiceTries: [LockTable.ChoiceTry] {
        var tries: [LockTable.ChoiceTry] = []
        for case .submit(_, .tryAny(let attempt)) in self { tries.append(attempt) }
        return tries
    }

    /// How the calls that failed have failed.
    var failures: [RequestID: Failure.Kind] {
        var failures: [RequestID: Failure.Kind] = [:]
        for case .resolve(let id, .failed(let failure)) in self { failures[id] = failure.kind }
        return failures
    }
}
