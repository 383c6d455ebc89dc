import LibPQ
import LockCore

/// What the answer to a submission is for.
///
/// It is decided when the submission is made, so it does not depend on what the connection is used for when the answer comes.
enum AnswerTarget: Hashable {
    /// The engine's oldest work in flight on the connection.
    case work(ReplyReading)
    /// The same, of a wait in the server's queue; `catchesEnd` if the statement itself catches what ends it.
    case wait(catchesEnd: Bool)
    /// Settings for the statements that follow on the connection.
    case settings
    /// Statements of a call on a checked-out session; `isLast` if none of the same call follow.
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
