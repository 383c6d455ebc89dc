import DequeModule
import Dispatch
import LibPQ

/// Runs what may be users' code (cancellation handlers, and what resumes tasks) on threads of its own. It may block, and on a blocked event loop
/// locks run out of their lease.
///
/// Pieces begin in the order in which they were submitted, as a rule one after the other. A piece that takes long keeps its thread, and another
/// thread goes on with the next pieces. So no piece waits for another one for longer than ``timeout``, unless very many block at a time.
final class UserCodeRunner: Sendable {
    typealias Piece = @Sendable () -> Void

    static let shared = UserCodeRunner()

    /// How long a piece may hold up the pieces behind it.
    private static let timeout = DispatchTimeInterval.milliseconds(10)
    /// How many threads may be blocked: Dispatch has about a hundred, and the event loops need some.
    private static let maximumBlocked = 64

    private struct State {
        var pieces = Deque<Piece>()
        /// The worker that takes the next piece; earlier workers run pieces that block. `nil` if there is nothing to do.
        var worker: Int?
        var workerCount = 0
        /// How many pieces have begun.
        var begunCount = 0
        var blockedCount = 0
        var isWatched = false

        mutating func makeWorker() -> Int {
            workerCount += 1
            worker = workerCount
            return workerCount
        }
    }

    private let state = Locked(State())
    private let watch = DispatchQueue(label: "pglock.user-code.watch")

    func run(_ pieces: [Piece]) {
        guard !pieces.isEmpty else { return }
        let (worker, mustWatch) = state.withLock { state -> (Int?, Bool) in
            state.pieces.append(contentsOf: pieces)
            let worker = state.worker == nil ? state.makeWorker() : nil
            defer { state.isWatched = true }
            return (worker, !state.isWatched)
        }
        if let worker { start(worker) }
        if mustWatch { look(after: state.withLock { $0.begunCount }) }
    }

    /// On a queue of its own, so that it has a thread of its own.
    private func start(_ worker: Int) {
        DispatchQueue(label: "pglock.user-code").async { [self] in
            while let piece = next(worker) { piece() }
        }
    }

    private func next(_ worker: Int) -> Piece? {
        let piece = state.withLock { state -> Held in
            guard state.worker == worker else {
                // Another worker has replaced it.
                state.blockedCount -= 1
                return Held(piece: nil)
            }
            guard let piece = state.pieces.popFirst() else {
                state.worker = nil
                return Held(piece: nil)
            }
            state.begunCount += 1
            return Held(piece: piece)
        }
        return piece.piece
    }

    /// A closure that is returned without it is wrapped once more.
    private struct Held {
        let piece: Piece?
    }

    /// Looks after a while whether further pieces have begun, and starts another worker if none has.
    private func look(after begunCount: Int) {
        watch.asyncAfter(deadline: .now() + Self.timeout) { [self] in
            let (successor, next) = state.withLock { state -> (Int?, Int?) in
                guard state.worker != nil, !state.pieces.isEmpty else {
                    state.isWatched = false
                    return (nil, nil)
                }
                guard state.begunCount == begunCount, state.blockedCount < Self.maximumBlocked else {
                    return (nil, state.begunCount)
                }
                state.blockedCount += 1
                return (state.makeWorker(), state.begunCount)
            }
            if let successor { start(successor) }
            if let next { look(after: next) }
        }
    }
}
