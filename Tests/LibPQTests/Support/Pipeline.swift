import CLibPQ
import Testing

@testable import LibPQ

/// A decoder as a connection drives it: results go in one after the other, and what is to be done comes out.
struct Pipeline {
    enum Outcome: Hashable {
        case answered(UInt64, [Answer])
        case unprepared(String)
        /// Single rows are asked for.
        case singleRows
        case pause
        case over(String, sqlState: String?)
    }

    struct Answer: Hashable {
        var booleans: [Bool] = []
        var rows: ObjectIdentifier?
        var error: String?
        var outcome: WaitOutcome?
        var transaction = Reply.Transaction.none
    }

    private var decoder = PipelineDecoder()

    // MARK: Sending

    /// - Parameter name: The name under which it is prepared ahead.
    /// - Returns: Whether single rows are asked for at once.
    @discardableResult
    mutating func send(_ shape: Statement.Shape, preparing name: StatementName? = nil, ending submission: UInt64?) -> Bool {
        let isFirst = decoder.isIdle
        decoder.noteSent(shape, preparing: name, ending: submission.map { SubmissionToken(kind: 0, number: $0) })
        return isFirst && decoder.wantsSingleRows
    }

    mutating func sendSync(_ submission: UInt64) {
        decoder.noteSync(SubmissionToken(kind: 0, number: submission))
    }

    var isIdle: Bool { decoder.isIdle }
    var isAnswered: Bool { decoder.isAnswered }

    // MARK: Receiving

    enum Input {
        case result(PipelineResult)
        case notice(ServerError)
    }

    /// - Returns: What is to be done, apart from taking the next result.
    mutating func take(_ results: PipelineResult...) -> [Outcome] {
        take(results.map(Input.result))
    }

    mutating func take(_ inputs: [Input]) -> [Outcome] {
        var outcomes: [Outcome] = []
        for input in inputs {
            switch input {
            case .notice(let notice): _ = decoder.take(notice)
            case .result(let result): outcomes += take(result)
            }
        }
        return outcomes
    }

    /// - Returns: Whether it was meant for the decoder alone.
    mutating func notice(_ notice: ServerError) -> Bool { decoder.take(notice) }

    func failure(orElse message: String) -> String { decoder.failure(orElse: message).message }

    private mutating func take(_ result: PipelineResult) -> [Outcome] {
        let step = decoder.take(result)
        let next: [Outcome] = decoder.wantsSingleRows ? [.singleRows] : []
        switch step {
        case .proceed: return []
        case .advanced: return next
        case .unprepared(let name): return [.unprepared(name.text)]
        case .answered(let token, let replies): return [.answered(token.number, replies.all.map(Answer.init))] + next
        case .pause: return [.pause]
        case .over(let failure): return [.over(failure.message, sqlState: failure.sqlState)]
        }
    }
}

extension Pipeline.Answer {
    init(_ reply: Reply) {
        booleans = reply.booleans
        rows = reply.result.map(ObjectIdentifier.init)
        error = reply.error?.sqlState
        outcome = reply.waitOutcome
        transaction = reply.transaction
    }
}

extension PipelineResult {
    static func error(_ sqlState: String) -> PipelineResult { .error(.error(sqlState)) }
}

extension ServerError {
    static func error(_ sqlState: String) -> ServerError { ServerError(severity: "ERROR", sqlState: sqlState, message: "It failed.") }

    /// What a wait says that catches its own end.
    static func outcome(_ outcome: WaitOutcome, _ detail: String? = nil) -> ServerError {
        ServerError(severity: "INFO", sqlState: outcome.rawValue, message: outcome.rawValue, detail: detail)
    }

    static let stopped = ServerError(severity: "FATAL", sqlState: "57P01", message: "terminating connection")
}

extension QueryResult {
    static func empty() throws -> QueryResult {
        try QueryResult(adopting: #require(PQmakeEmptyPGresult(nil, PGRES_TUPLES_OK)))
    }
}
