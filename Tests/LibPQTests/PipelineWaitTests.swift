import Testing

@testable import LibPQ

@Suite("The decoder of a pipeline: the outcomes of waits")
struct PipelineWaitTests {
    private var pipeline = Pipeline()

    @Test(
        "a wait that reports its outcome is answered by that",
        arguments: [
            (WaitOutcome.granted, Pipeline.Answer(booleans: [true], outcome: .granted)),
            (.cancelled, .init(error: "57014", outcome: .cancelled)), (.timedOut, .init(error: "55P03", outcome: .timedOut)),
        ]
    )
    mutating func outcome(outcome: WaitOutcome, answer: Pipeline.Answer) {
        pipeline.send(.waitOutcome(grantLasts: false), ending: 1)
        pipeline.send(.waitOutcome(grantLasts: false), ending: 2)
        let isTaken = pipeline.notice(.outcome(outcome))
        #expect(isTaken)
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(1, [answer])])
        // The next one has not said anything, and so has nothing.
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
    }

    @Test("the error of a wait that was ended has the server's text, if the wait passes that on")
    func text() throws {
        for detail in ["canceling statement due to statement timeout", nil] {
            var decoder = PipelineDecoder()
            decoder.noteSent(.waitOutcome(grantLasts: false), preparing: nil, ending: SubmissionToken(kind: 0))
            let isTaken = decoder.take(.outcome(.cancelled, detail))
            #expect(isTaken)
            guard case .answered(_, let replies) = [.complete, .null, .sync(.none)].map({ decoder.take($0) }).last else {
                Issue.record("It is not answered.")
                return
            }
            #expect(replies.last?.error?.message == detail ?? "canceling statement due to user request")
        }
    }

    @Test("an error of a wait takes precedence over the outcome that it has reported", arguments: [WaitOutcome.granted, .timedOut])
    mutating func errorAfterwards(outcome: WaitOutcome) {
        pipeline.send(.waitOutcome(grantLasts: false), ending: 1)
        _ = pipeline.notice(.outcome(outcome))
        #expect(pipeline.take(.error("57014"), .null, .sync(.none)) == [.answered(1, [.init(error: "57014")])])
    }

    @Test("the message of an outcome is passed on as a notice if no wait's results come at present")
    mutating func otherTurns() {
        pipeline.send(.rows, ending: 1)
        pipeline.send(.waitOutcome(grantLasts: false), preparing: "wait", ending: 2)
        func isTaken() -> Bool { pipeline.notice(.outcome(.granted)) }
        // In the turns of the statement, of its Sync, of the preparation; then behind the wait.
        var taken = [isTaken()]
        #expect(pipeline.take(.complete, .null) == [])
        taken.append(isTaken())
        #expect(pipeline.take(.sync(.none)) == [.answered(1, [.init()])])
        taken.append(isTaken())
        #expect(pipeline.take(.complete, .null, .complete, .null) == [])
        taken.append(isTaken())
        #expect(pipeline.take(.sync(.none)) == [.answered(2, [.init()])])
        taken.append(isTaken())
        #expect(taken == [false, false, false, false, false])
    }

    @Test("a message with another level or text is no outcome of a wait")
    mutating func otherMessages() {
        pipeline.send(.waitOutcome(grantLasts: false), ending: 1)
        let code = WaitOutcome.granted.rawValue
        for (severity, text) in [("NOTICE", code), ("INFO", "granted"), ("WARNING", code)] {
            let isTaken = pipeline.notice(ServerError(severity: severity, sqlState: code, message: text))
            #expect(!isTaken)
        }
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(1, [.init()])])
    }

    // MARK: Grants that last

    @Test("a grant that lasts answers the wait as soon as the rest has to be waited for, and the rest has no meaning")
    mutating func lastingGrant() {
        let rests: [[Pipeline.Input]] = [
            [.result(.complete)], [.result(.error("57014"))], [.notice(.outcome(.cancelled)), .result(.complete)],
            [.result(.pending), .result(.complete), .result(.pending)],
        ]
        for rest in rests {
            pipeline.send(.waitOutcome(grantLasts: true), preparing: "wait", ending: 1)
            pipeline.send(.waitOutcome(grantLasts: true), ending: 2)
            #expect(pipeline.take(.complete, .null, .pending) == [.pause])
            #expect(pipeline.take([.notice(.outcome(.granted)), .result(.pending)]) == [.answered(1, [.granted])])
            #expect(pipeline.take(.pending) == [.pause])
            #expect(pipeline.take(rest).allSatisfy { $0 == .pause })
            #expect(pipeline.take(.null, .sync(.none)) == [] && !pipeline.isIdle)
            // The next one has not said anything.
            #expect(pipeline.take(.pending) == [.pause])
            #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])] && pipeline.isIdle)
        }
    }

    @Test("a grant that lasts is answered as any other if the rest comes with it")
    mutating func wholeGrant() {
        pipeline.send(.waitOutcome(grantLasts: true), ending: 1)
        _ = pipeline.notice(.outcome(.granted))
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(1, [.init(booleans: [true], outcome: .granted)])])
    }

    @Test("what does not last, is no grant, or is not the last statement of its submission, is answered by its end only")
    mutating func endNeeded() {
        func isWaitedFor(_ shape: Statement.Shape, _ outcome: WaitOutcome, ending submission: UInt64?) -> Bool {
            var pipeline = Pipeline()
            pipeline.send(shape, ending: submission)
            return pipeline.take([.notice(.outcome(outcome)), .result(.pending)]) == [.pause]
        }
        #expect(isWaitedFor(.waitOutcome(grantLasts: false), .granted, ending: 1))
        #expect(isWaitedFor(.waitOutcome(grantLasts: true), .cancelled, ending: 1))
        #expect(isWaitedFor(.waitOutcome(grantLasts: true), .timedOut, ending: 1))
        #expect(isWaitedFor(.waitOutcome(grantLasts: true), .granted, ending: nil))
        #expect(!isWaitedFor(.waitOutcome(grantLasts: true), .granted, ending: 1))
    }

    @Test("all is answered while only the rest of a wait is expected that its grant has answered")
    mutating func answered() {
        pipeline.send(.waitOutcome(grantLasts: true), ending: 1)
        #expect(!pipeline.isAnswered)
        #expect(pipeline.take([.notice(.outcome(.granted)), .result(.pending)]) == [.answered(1, [.granted])])
        #expect(pipeline.isAnswered && !pipeline.isIdle)
        pipeline.send(.booleanRow, ending: 2)
        #expect(!pipeline.isAnswered)
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [])
        #expect(!pipeline.isAnswered)
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        #expect(pipeline.isAnswered && pipeline.isIdle)
    }

    @Test("a grant that comes together with the announcement that the session ends answers nothing")
    mutating func announcedEnd() {
        pipeline.send(.waitOutcome(grantLasts: true), ending: 1)
        let outcomes = pipeline.take([.notice(.outcome(.granted)), .notice(.stopped), .result(.pending)])
        guard case .over(_, sqlState: "57P01")? = outcomes.first else {
            Issue.record("It is not over: \(outcomes)")
            return
        }
    }

    @Test("the end of a session behind a grant that lasts is reported")
    mutating func endOfSession() {
        pipeline.send(.waitOutcome(grantLasts: true), ending: 1)
        #expect(pipeline.take([.notice(.outcome(.granted)), .result(.pending)]) == [.answered(1, [.granted])])
        guard case .over? = pipeline.take(.error(.stopped)).last else {
            Issue.record("It is not over.")
            return
        }
    }
}

extension Pipeline.Answer {
    /// Its transaction is not known, since the statement has not ended.
    fileprivate static let granted = Pipeline.Answer(booleans: [true], outcome: .granted, transaction: .unknown)
}
