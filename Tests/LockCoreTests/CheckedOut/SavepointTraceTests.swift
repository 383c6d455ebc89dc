import Testing

@testable import LockCore

/// A transaction that runs against a model of the server.
private struct SavepointTrace {
    private static let base = CheckedOutSession.Savepoint.base.rawValue

    private var script: CheckedOutScript
    private var server = ModelTransaction()
    private var random: SplitMix64
    /// Whether savepoints are written so that they can't be misunderstood, and no statement of ours fails.
    private let isPlain: Bool
    private let first: AdvisoryKey?
    private var isReleased = false
    private(set) var told: [String] = []

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        isPlain = seed % 2 == 0
        first = seed % 3 == 0 ? nil : 9
        script = .transaction(first)
        if let first { server.lock(first) }
    }

    /// The locks that the session counts as held.
    private var believed: Set<AdvisoryKey> { script.isLost || isReleased ? [] : Set(script.heldKeys) }

    mutating func run() {
        for _ in 0..<40 where !script.isLost {
            step()
            for event in script.takeEvents() {
                if case .released(_, isAll: true, _) = event { isReleased = true }
            }
            let truth = server.locks
            #expect(believed.isSubset(of: truth), "counted as held: \(believed), held at the server: \(truth): \(told)")
            if isPlain, let first, !script.isLost { #expect(believed.contains(first) == truth.contains(first), "\(told)") }
            if script.session.unusable != nil { break }
        }
    }

    private mutating func step() {
        let names = isPlain ? ["a", "b", "c"] : ["a", "b", Self.base]
        let name = names.randomElement(using: &random) ?? "a"
        switch Int.random(in: 0..<(isPlain ? 14 : 15), using: &random) {
        case 0...3: run("SAVEPOINT \(spelled(name))", "SAVEPOINT") { $0.setSavepoint(name) }
        case 4...5: run("RELEASE \(spelled(name))", "RELEASE") { $0.release(name) }
        case 6...8: run("ROLLBACK TO \(spelled(name))", "ROLLBACK") { $0.rollBack(to: name) }
        case 9: run("SELECT 1/0", "") { _ in false }
        case 10...13: lock(AdvisoryKey(Int64.random(in: 1...4, using: &random)))
        default:
            run("ROLLBACK AND CHAIN", "ROLLBACK") {
                $0.chain()
                return true
            }
        }
    }

    private mutating func spelled(_ name: String) -> String {
        guard !isPlain else { return name }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return name
        case 1: return "\"\(name)\""
        case 2: return "\(name) /* a */"
        default: return "U&\"\(name)\""
        }
    }

    private mutating func run(_ sql: String, _ tag: String, _ effect: (inout ModelTransaction) -> Bool) {
        told.append(sql)
        script.run(sql)
        serve(sql, tag, effect)
    }

    private mutating func lock(_ key: AdvisoryKey) {
        told.append("lock \(key)")
        script.lock(key, noWait: Bool.random(using: &random))
        serve("", "") { _ in false }
    }

    private mutating func serve(_ sql: String, _ tag: String, _ effect: (inout ModelTransaction) -> Bool) {
        while let statements = script.sent {
            let replies = statements.map { reply(to: $0, tag, effect) }
            told.append(contentsOf: replies.contains { $0.failure != nil } ? ["failed"] : [])
            script.answer(each: replies)
        }
    }

    private mutating func reply(
        to statement: CheckedOutSession.Statement,
        _ tag: String,
        _ effect: (inout ModelTransaction) -> Bool
    ) -> CheckedOutSession.Reply {
        var reply = CheckedOutSession.Reply()
        let wasAborted = server.isAborted
        var isDone = true
        switch statement {
        case .setSavepoint(let savepoint):
            isDone = (isPlain || Int.random(in: 0..<8, using: &random) > 0) && server.setSavepoint(savepoint.rawValue)
        case .rollBackToSavepoint(let savepoint):
            isDone = server.rollBack(to: savepoint.rawValue)
        case .releaseSavepoint(let savepoint):
            isDone = server.release(savepoint.rawValue)
        case .tryLock(let key, _):
            // Also what is taken by others, and what fails.
            isDone = !wasAborted && Int.random(in: 0..<6, using: &random) > 0
            reply.rows = [Int.random(in: 0..<3, using: &random) > 0]
            if isDone, reply.rows == [true] { server.lock(key) }
        case .setAwaited:
            isDone = !wasAborted
        case .areHeld(let locks):
            isDone = !wasAborted
            reply.rows = locks.map { server.locks.contains($0.key) }
        case .wait:
            isDone = false
            if !wasAborted { reply.hasSaidOutcome = true }
        case .body:
            isDone = effect(&server)
            reply.tag = tag
        default:
            Issue.record("\(statement) was sent")
        }
        if !isDone {
            if !reply.hasSaidOutcome { server.fail() }
            reply.rows = []
            reply.tag = nil
            reply.failure = reply.hasSaidOutcome ? .cancelledByServer : wasAborted ? .inAborted : .divided
        }
        reply.transaction = server.isAborted ? .aborted : .open
        return reply
    }
}

@Suite("Savepoints against a model of the server")
struct SavepointTraceTests {
    @Test("a transaction reports no lock as held that an error or a rollback has released, however savepoints are written")
    func traces() {
        for seed in 0..<1000 as Range<UInt64> {
            var trace = SavepointTrace(seed: seed)
            trace.run()
        }
    }
}
