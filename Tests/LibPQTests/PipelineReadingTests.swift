import Testing

@testable import LibPQ

@Suite("The decoder of a pipeline: reading in pieces")
struct PipelineReadingTests {
    /// One of each: a failing preparation, rows before an error, an error at the commit, a heartbeat, a wait.
    private static let inputs: [Pipeline.Input] =
        [
            .error("42501"), .null, .aborted, .null, .sync(.none), .row([true]), .row([false, true]), .error("53200"), .null, .sync(.none),
            .complete, .null, .error("23505"), .null, .sync(.none), .sync(.none),
        ].map(Pipeline.Input.result)
        + [.notice(.outcome(.granted))] + [.complete, .null, .sync(.none), .complete, .null, .sync(.open)].map(Pipeline.Input.result)

    private static let outcomes: [Pipeline.Outcome] = [
        .unprepared("try"), .singleRows, .singleRows,
        .answered(1, [.init(error: "42501"), .init(booleans: [true, false, true], error: "53200")]),
        .answered(2, [.init(error: "23505")]), .answered(3, []), .answered(4, [.init(booleans: [true], outcome: .granted)]),
        .answered(5, [.init(transaction: .open)]),
    ]

    private static func send(to pipeline: inout Pipeline) {
        pipeline.send(.booleans, preparing: "try", ending: nil)
        pipeline.send(.booleans, ending: 1)
        pipeline.send(.rows, ending: 2)
        pipeline.sendSync(3)
        pipeline.send(.waitOutcome(grantLasts: false), ending: 4)
        pipeline.send(.rows, ending: 5)
    }

    @Test("the replies are the same wherever reading pauses")
    func pauses() {
        for pattern in 0..<UInt32(1 << 12) {
            var random = pattern &* 2_654_435_761
            var pipeline = Pipeline()
            Self.send(to: &pipeline)
            var outcomes: [Pipeline.Outcome] = []
            for input in Self.inputs {
                random = random &* 1_664_525 &+ 1_013_904_223
                let pauses = pattern == 0 ? 0 : Int(random >> 30)
                for _ in 0..<pauses { outcomes += pipeline.take(.pending) }
                outcomes += pipeline.take([input])
            }
            #expect(outcomes.filter { $0 != .pause } == Self.outcomes, "pattern \(pattern)")
            #expect(pipeline.isIdle)
        }
    }

    @Test("if the session ends between two results, the submissions before that are answered, and no other", arguments: inputs.indices)
    func cutOff(count: Int) {
        var pipeline = Pipeline()
        Self.send(to: &pipeline)
        let before = pipeline.take(Array(Self.inputs.prefix(count)))
        #expect(before == Array(Self.outcomes.prefix(before.count)))
        #expect(pipeline.take(.error(.stopped)) == [.over("terminating connection.", sqlState: "57P01")])
    }
}
