import LibPQ
import LockCore

/// The requests to release locks that a manager has seen, until they are gone; and its answers.
final class ReleaseRequests: Sendable {
    /// By the requests' numbers; the answer's lock, once it is held.
    private let open = Locked<[UInt32: LockState?]>([:])

    /// Notes the requests that there are at present.
    ///
    /// - Returns: Those that were not there before, and the answers to requests that are gone.
    func update(_ requests: [Engine.AddressedRequest]) -> (new: [Engine.AddressedRequest], ended: [LockState]) {
        open.withLock { open in
            // Read for each look, and mostly there is nothing.
            if open.isEmpty, requests.isEmpty { return ([], []) }
            let numbers = Set(requests.map(\.request.number))
            let ended = open.filter { !numbers.contains($0.key) }
            for number in ended.keys { open[number] = nil }
            let new = requests.filter { open[$0.request.number] == nil }
            for request in new { open[request.request.number] = .some(nil) }
            return (new, ended.values.compactMap(\.self))
        }
    }

    /// Answers a request once these locks are released.
    func answer(_ number: UInt32, when states: [LockState], by driver: LockDriver) {
        // Detached: the thread may run a task that has scopes of locks around it.
        Task.detached { [weak self, weak driver] in
            for state in states { _ = await [state].waitForEnd() }
            guard let self, let driver, isOpen(number) else { return }
            // The requester's own tries, which end at once, may be in the way.
            for _ in 0..<50 where isOpen(number) {
                let answer = try? await driver.obtain(ReleaseProtocol.answer(to: number), .shared, timeout: nil, noWait: true, nil)
                if let answer {
                    if !keep(answer, number) { try? await driver.release(answer) }
                    return
                }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// The locks that answer requests.
    var answers: [LockState] { open.withLock { $0.values.compactMap(\.self) } }

    private func isOpen(_ number: UInt32) -> Bool { open.withLock { $0[number] != nil } }

    /// - Returns: Whether the request is still there.
    private func keep(_ answer: LockState, _ number: UInt32) -> Bool {
        open.withLock { open in
            guard open[number] != nil else { return false }
            open[number] = answer
            return true
        }
    }
}
