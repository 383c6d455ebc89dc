import LibPQ
import LockCore
import LockServerModel
import Testing

@testable import PostgresLock

@Suite("How replies to the engine's work are read")
struct ReplyReadingTests {
    private static let failure = Failure(.statement, "Out of memory.", sqlState: "53200")

    private static let works: [Engine.Work] = [
        .batch(Engine.Batch(.init(.tryLock, .exclusive, AdvisoryKey(1).space), [AdvisoryKey(1)])),
        .tryAny(LockTable.ChoiceTry([AdvisoryKey(1), AdvisoryKey(2)], .shared, count: 1)),
        .releaseHeld([AdvisoryKey(1)], .shared, count: 1, because: failure),
        .wait(AdvisoryKey(1), .shared, limit: nil), .releaseAll, .changeMode(AdvisoryKey(1), to: .shared),
        .cancel(ConnectionID(1), onlyLockWaits: true),
        .askActivity(ConnectionID(1)), .look([]), .begin, .commit, .heartbeat, .statement(RequestID(1)),
    ]

    private static func reply(_ rows: [Bool]) -> Reply {
        var reply = Reply()
        reply.booleans = rows
        return reply
    }

    @Test("the transport reads the rows of each kind of work as the model of the server does", arguments: works)
    func rows(work: Engine.Work) {
        let reading = ReplyReading(work)
        var rows: [[Bool]] = [[]]
        for _ in 0..<4 { rows += rows.flatMap { [$0 + [false], $0 + [true]] } }
        for rows in Set(rows) {
            #expect(reading.answer(Self.reply(rows), failure: Self.failure) == Engine.Answer(rows, failure: Self.failure, to: work))
            guard Self.isPossible(rows.count, work) else { continue }
            #expect(reading.answer(Self.reply(rows), failure: nil) == Engine.Answer(rows, to: work), "\(rows)")
        }
    }

    @Test("the places of the keys that were taken are read as the model of the server writes them")
    func places() {
        let work = Engine.Work.tryAny(LockTable.ChoiceTry((1...1_000).map { AdvisoryKey($0) }, .exclusive, count: 3))
        let rows = [0, 511, 999].flatMap(SimulatedReply.bits)
        for failure in [nil, Self.failure] {
            #expect(ReplyReading(work).answer(Self.reply(rows), failure: failure) == .chosen([0, 511, 999], failure: failure))
            #expect(Engine.Answer(rows, failure: failure, to: work) == .chosen([0, 511, 999], failure: failure))
        }
    }

    /// The number of rows that a statement without an error can return.
    private static func isPossible(_ count: Int, _ work: Engine.Work) -> Bool {
        switch work {
        case .batch: true
        case .askActivity: count == 0 || count == 3
        case .look: count.isMultiple(of: 2)
        default: count <= 1
        }
    }

    @Test(
        "rows that do not fit the work are an unexpected answer",
        arguments: [ReplyReading.truth, .changed, .looks, .lockCount, .position]
    )
    func unexpected(reading: ReplyReading) {
        #expect(reading.answer(Self.reply([true, true, false]), failure: nil) == .failed(.unexpectedAnswer))
    }

    @Test("of a batch that has failed half way, the rows before the error count as answers")
    func half() {
        #expect(ReplyReading.keys.answer(Self.reply([true, false]), failure: Self.failure) == .keys([true, false], failure: Self.failure))
    }
}
