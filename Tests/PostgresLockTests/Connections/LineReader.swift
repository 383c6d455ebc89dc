import LibPQ

/// Reads lines also for tasks that are cancelled, for whom a stream would end. For one reader.
final class LineReader: Sendable {
    private struct State {
        var lines: [String] = []
        var isAtEnd = false
        var reader: CheckedContinuation<String?, Never>?
    }

    private let state = Locked(State())

    init(_ lines: AsyncStream<String>) {
        Task.detached { [self] in
            for await line in lines { deliver(line) }
            deliver(nil)
        }
    }

    /// The next line, or `nil` after the last.
    func next() async -> String? {
        await withCheckedContinuation { continuation in
            let line = state.withLock { state -> String?? in
                if !state.lines.isEmpty { return state.lines.removeFirst() }
                if state.isAtEnd { return .some(nil) }
                state.reader = continuation
                return nil
            }
            if let line { continuation.resume(returning: line) }
        }
    }

    private func deliver(_ line: String?) {
        let reader = state.withLock { state -> CheckedContinuation<String?, Never>? in
            if line == nil { state.isAtEnd = true }
            guard let reader = state.reader.take() else {
                if let line { state.lines.append(line) }
                return nil
            }
            return reader
        }
        reader?.resume(returning: line)
    }
}
