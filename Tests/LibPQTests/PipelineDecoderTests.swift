import Testing

@testable import LibPQ

@Suite("The decoder of a pipeline: which results answer what")
struct PipelineDecoderTests {
    private var pipeline = Pipeline()

    // MARK: Submissions

    @Test("a submission of several statements is answered once, by a reply to each, when the last one is answered")
    mutating func together() throws {
        let rows = try QueryResult.empty()
        pipeline.send(.rows, ending: nil)
        pipeline.send(.booleans, ending: nil)
        pipeline.send(.rows, ending: 1)
        #expect(pipeline.take(.rows(rows), .null, .sync(.open)) == [.singleRows])
        #expect(pipeline.take(.row([true]), .complete, .null, .sync(.open)) == [])
        #expect(
            pipeline.take(.error("22012"), .null, .sync(.aborted)) == [
                .answered(
                    1,
                    [
                        .init(rows: ObjectIdentifier(rows), transaction: .open), .init(booleans: [true], transaction: .open),
                        .init(error: "22012", transaction: .aborted),
                    ]
                )
            ]
        )
        #expect(pipeline.isIdle)
    }

    @Test("submissions are answered in the order in which they were made, and each has only its own replies")
    mutating func order() {
        pipeline.send(.rows, ending: nil)
        pipeline.send(.rows, ending: 1)
        pipeline.send(.waitOutcome(grantLasts: false), ending: 2)
        #expect(pipeline.take(.complete, .null, .sync(.none), .complete, .null, .sync(.none)) == [.answered(1, [.init(), .init()])])
        pipeline.send(.rows, ending: 3)
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(3, [.init()])])
    }

    @Test("a Sync that belongs to no statement is answered without a reply, and takes the answer of no statement around it")
    mutating func loneSync() {
        pipeline.send(.booleans, ending: 1)
        pipeline.sendSync(2)
        pipeline.send(.booleans, ending: 3)
        #expect(pipeline.take(.row([true]), .complete, .null, .sync(.none)) == [.answered(1, [.init(booleans: [true])])])
        #expect(pipeline.take(.sync(.none)) == [.answered(2, []), .singleRows])
        #expect(pipeline.take(.row([false]), .complete, .null, .sync(.none)) == [.answered(3, [.init(booleans: [false])])])
    }

    @Test("an error that comes with a Sync of its own is not taken for one of the statement behind it")
    mutating func errorAtLoneSync() {
        pipeline.sendSync(1)
        pipeline.send(.rows, ending: 2)
        #expect(pipeline.take(.error("40001"), .null, .sync(.none)) == [.answered(1, [])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
    }

    // MARK: Rows

    @Test("single-row mode is requested when the results of a statement that needs it come next, and at no other time")
    mutating func singleRows() {
        let isAskedAtOnce = pipeline.send(.booleans, ending: 1)
        #expect(isAskedAtOnce)
        let statements: [(Statement.Shape, StatementName?)] = [
            (.booleans, nil), (.booleans, "a"), (.rows, nil), (.waitOutcome(grantLasts: false), nil), (.booleanRow, nil),
        ]
        for (shape, name) in statements {
            let isAskedAtOnce = pipeline.send(shape, preparing: name, ending: 2)
            #expect(!isAskedAtOnce)
        }
        #expect(pipeline.take(.row([]), .complete, .null) == [])
        #expect(pipeline.take(.sync(.none)) == [.answered(1, [.init()]), .singleRows])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        // Behind its preparation.
        #expect(pipeline.take(.complete) == [])
        #expect(pipeline.take(.null) == [.singleRows])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
        // A single row comes with the end of its statement.
        #expect(pipeline.take(.row([true]), .null, .sync(.none)) == [.answered(2, [.init(booleans: [true])])])
    }

    @Test("the rows that came before an error count")
    mutating func rowsBeforeError() {
        pipeline.send(.booleans, ending: 1)
        let answer = Pipeline.Answer(booleans: [true, false, true], error: "53200")
        #expect(pipeline.take(.row([true, false]), .row([true]), .error("53200"), .null, .sync(.none)) == [.answered(1, [answer])])
    }

    @Test("a row of booleans keeps up to 64 of them, in their order")
    func booleanRow() {
        var row: BooleanRow = [true, false, false, true]
        var values = [false]
        row.append(to: &values)
        #expect(values == [false, true, false, false, true])
        for index in row.count..<BooleanRow.maximumCount { row.append(index % 3 == 0) }
        values = []
        row.append(to: &values)
        #expect(values == [true, false, false, true] + (4..<64).map { $0 % 3 == 0 })
    }

    // MARK: Errors

    @Test("of several errors of a statement the first one counts, and none is the next statement's")
    mutating func firstError() {
        pipeline.send(.rows, ending: 1)
        pipeline.send(.rows, ending: 2)
        #expect(pipeline.take(.error("22012"), .error("25P02"), .null, .sync(.none)) == [.answered(1, [.init(error: "22012")])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
    }

    @Test("a preparation that fails is reported by its name, and its error is the statement's")
    mutating func failedPreparation() {
        pipeline.send(.booleans, preparing: "try", ending: 1)
        pipeline.send(.rows, preparing: "other", ending: 2)
        #expect(pipeline.take(.error("42501"), .null) == [.unprepared("try"), .singleRows])
        #expect(pipeline.take(.aborted, .null, .sync(.none)) == [.answered(1, [.init(error: "42501")])])
        #expect(pipeline.take(.complete, .null, .complete, .null, .sync(.none)) == [.answered(2, [.init()])])
    }

    @Test("an error of a statement that was prepared well leaves it prepared")
    mutating func failedStatement() {
        pipeline.send(.rows, preparing: "try", ending: 1)
        #expect(pipeline.take(.complete, .null, .error("22012"), .null, .sync(.none)) == [.answered(1, [.init(error: "22012")])])
    }

    @Test("an error that comes with the statement's own commit is its error, and the NULL behind it is no end of what was read")
    mutating func errorAtCommit() {
        pipeline.send(.rows, ending: 1)
        pipeline.send(.rows, ending: 2)
        #expect(pipeline.take(.complete, .null) == [])
        #expect(pipeline.take(.error("23505"), .null) == [])
        #expect(pipeline.take(.sync(.none)) == [.answered(1, [.init(error: "23505")])])
        #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(2, [.init()])])
    }

    @Test("two NULLs in a row instead of a Sync mean that nothing more was read; one before each pause means nothing")
    mutating func nulls() {
        pipeline.send(.rows, ending: 1)
        #expect(pipeline.take(.complete, .null) == [])
        #expect(pipeline.take(.null) == [])
        #expect(pipeline.take(.null) == [.pause])
        #expect(pipeline.take(.null, .pending, .null, .pending, .null) == [.pause, .pause])
        #expect(pipeline.take(.null) == [.pause])
        #expect(pipeline.take(.null, .error("23505"), .null) == [])
        #expect(pipeline.take(.sync(.none)) == [.answered(1, [.init(error: "23505")])])
    }

    // MARK: The end of the session

    @Test("COPY ends the session, with a reason")
    mutating func copy() {
        pipeline.send(.rows, ending: 1)
        let message = "COPY from or to the client can't be run on this connection, so it was closed."
        #expect(pipeline.take(.copy) == [.over(message, sqlState: "0A000")])
        #expect(pipeline.failure(orElse: "libpq's message") == message)
    }

    @Test("an error that ends the session does so at once, also behind another one of the same statement", arguments: [false, true])
    mutating func fatal(isSecond: Bool) {
        pipeline.send(.rows, ending: 1)
        if isSecond { #expect(pipeline.take(.error("22012")) == []) }
        #expect(pipeline.take(.error(.stopped)) == [.over("terminating connection.", sqlState: "57P01")])
    }

    @Test("a notice that announces the session's end ends it, after the results before it, also while no statement runs")
    mutating func lastWords() {
        let crash = ServerError(severity: "WARNING", sqlState: "57P02", message: "terminating connection because of crash")
        for isAsked in [true, false] {
            pipeline = Pipeline()
            if isAsked { pipeline.send(.rows, ending: 1) }
            let isTaken = pipeline.notice(crash)
            #expect(!isTaken)
            if isAsked { #expect(pipeline.take(.complete, .null, .sync(.none)) == [.answered(1, [.init()])]) }
            #expect(pipeline.take(.pending) == [.over("terminating connection because of crash.", sqlState: "57P02")])
        }
    }

    @Test("any other notice is passed on, and ends nothing")
    mutating func otherNotices() {
        for severity in ["WARNING", "NOTICE", "INFO", "LOG"] {
            let isTaken = pipeline.notice(ServerError(severity: severity, sqlState: "01000", message: "Take note."))
            #expect(!isTaken)
        }
        #expect(pipeline.take(.pending) == [.pause])
    }

    @Test("a connection that can't be used ends the session, by libpq's message if the server has said nothing")
    mutating func dead() {
        pipeline.send(.rows, ending: 1)
        var silent = pipeline
        #expect(silent.take(.dead("no connection to the server")) == [.over("no connection to the server", sqlState: nil)])
        _ = pipeline.notice(.stopped)
        #expect(pipeline.take(.dead("no connection to the server")) == [.over("terminating connection.", sqlState: "57P01")])
    }

    @Test("an unexpected Sync ends the session, since answers can't be assigned to statements any more")
    mutating func unexpectedSync() {
        pipeline.send(.rows, ending: 1)
        let message = "What the server has answered did not fit what was sent, so the connection was closed."
        #expect(pipeline.take(.complete, .sync(.none)) == [.over(message, sqlState: "08P01")])
        pipeline = Pipeline()
        #expect(pipeline.take(.sync(.none)) == [.over(message, sqlState: "08P01")])
    }
}
