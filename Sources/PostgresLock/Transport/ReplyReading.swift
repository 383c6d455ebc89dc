import LibPQ
import LockCore

/// How the reply to the engine's work is read: it makes an `Engine.Answer` of the reply to a statement of `LockStatements`.
enum ReplyReading: UInt8, CaseIterable {
    case keys
    case chosen
    case nothing
    case truth
    case changed
    case cancelled
    case activity
    case looks
    case requests
    case lockCount
    case position

    init(_ work: Engine.Work) {
        self =
            switch work {
            case .batch: .keys
            case .tryAny: .chosen
            case .begin, .commit, .heartbeat, .statement, .releaseHeld: .nothing
            case .wait, .releaseAll: .truth
            case .changeMode: .changed
            case .cancel: .cancelled
            case .askActivity: .activity
            case .look: .looks
            case .askRequests: .requests
            case .countLocks: .lockCount
            case .position: .position
            }
    }

    /// - Parameter failure: The failure of the statement, if it has failed.
    func answer(_ reply: Reply, failure: Failure?) -> Engine.Answer {
        if self == .keys { return .keys(reply.onlyBoolean.map { .one($0) } ?? .list(reply.booleans), failure: failure) }
        if self == .chosen { return chosen(reply.booleans, failure) }
        return failure.map { .failed($0) } ?? answer(reply) ?? .failed(.unexpectedAnswer)
    }

    private func answer(_ reply: Reply) -> Engine.Answer? {
        let rows = reply.booleans
        switch self {
        case .keys: return .keys(OneOrMore(rows), failure: nil)
        case .chosen: return chosen(rows, nil)
        case .nothing: return .done
        case .truth: return rows == [true] ? .done : nil
        // Whether it was held in the former mode; no row if another session holds it, too.
        case .changed: return rows.isEmpty ? .changed(false) : rows == [true] ? .changed(true) : nil
        case .cancelled: return .cancelled(rows.first == true)
        // Whether the activity is visible, whether a statement runs, and whether its client takes what it sends; no row if the session is gone.
        case .activity:
            guard rows.count == 3 else { return .activity(.quiet) }
            return .activity(!rows[0] ? .hidden : rows[1] ? .active(isHeard: rows[2]) : .quiet)
        case .looks:
            guard rows.count.isMultiple(of: 2) else { return nil }
            return .looks(stride(from: 0, to: rows.count, by: 2).map { .init(isDone: rows[$0], isBuildWaiting: rows[$0 + 1]) })
        case .requests: return LockStatements.requests(reply).map { .requests($0) }
        case .lockCount: return LockStatements.lockCount(reply).map { .lockCount($0) }
        case .position: return FencingStatement.position(reply).map { .position($0) }
        }
    }

    /// A row for each key that was taken: see ``LockStatements/tryAny(_:)``. The places there begin with 1.
    private func chosen(_ rows: [Bool], _ failure: Failure?) -> Engine.Answer {
        let width = LockStatements.placeWidth
        let places = stride(from: 0, to: rows.count, by: width).map { start in
            rows[start..<min(start + width, rows.count)].reversed().reduce(0) { $0 << 1 | ($1 ? 1 : 0) } - 1
        }
        let isReadable = rows.count.isMultiple(of: width) && places.allSatisfy { $0 >= 0 }
        return isReadable ? .chosen(places, failure: failure) : .chosen([], failure: .unexpectedAnswer)
    }
}
