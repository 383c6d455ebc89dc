import LibPQ
import LockCore

/// Whom the answer to a submission is for: said when it is made, and so independent of what the connection serves by the time of the
/// answer.
enum AnswerTarget: Hashable {
    /// The engine: the oldest work that it has in flight on the connection.
    case work(ReplyReading)
    /// The same, of a wait in the server's queue, which may be one that catches its own end.
    case wait(catchesEnd: Bool)
    /// The connection itself: settings that it needs for what comes behind them.
    case settings
    /// Statements on a checked-out connection: their call. It may have more behind them.
    case call(RequestID, isLast: Bool)

    init(_ token: SubmissionToken) {
        switch token.kind {
        case 0: self = .work(ReplyReading(rawValue: UInt8(token.number)) ?? .nothing)
        case 1, 2: self = .wait(catchesEnd: token.kind == 2)
        case 3: self = .settings
        default: self = .call(RequestID(token.number), isLast: token.kind == 5)
        }
    }

    var token: SubmissionToken {
        switch self {
        case .work(let reading): SubmissionToken(kind: 0, number: UInt64(reading.rawValue))
        case .wait(let catchesEnd): SubmissionToken(kind: catchesEnd ? 2 : 1)
        case .settings: SubmissionToken(kind: 3)
        case .call(let call, let isLast): SubmissionToken(kind: isLast ? 5 : 4, number: call.rawValue)
        }
    }
}
