import DequeModule

/// The same as ``AsyncMutex``, implemented by an actor on the default executor.
actor ActorMutex: InMemoryMutex {
    private var isLocked = false
    private var queue = Deque<UnsafeContinuation<Void, Never>>()

    func lock() async {
        guard isLocked else {
            isLocked = true
            return
        }
        await withUnsafeContinuation { queue.append($0) }
    }

    func unlock() {
        if let next = queue.popFirst() {
            next.resume()
        } else {
            isLocked = false
        }
    }

    var waitingTasks: Int { queue.count }
}
