import LibPQ

/// Suspends tasks until it is opened, whether they are cancelled or not.
final class AsyncGate: Sendable {
    private let waiting = Locked<[CheckedContinuation<Void, Never>]?>([])

    var isOpen: Bool { waiting.withLock { $0 == nil } }

    func open() {
        let continuations = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting ?? []
        }
        for continuation in continuations { continuation.resume() }
    }

    func passed() async {
        await withCheckedContinuation { continuation in
            let isOpen = waiting.withLock { waiting in
                waiting?.append(continuation)
                return waiting == nil
            }
            if isOpen { continuation.resume() }
        }
    }
}
