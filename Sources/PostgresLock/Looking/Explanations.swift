import LibPQ
import LockCore

/// Finds out which sessions hold what calls have waited for in vain.
///
/// The server walks through all its locks for a look, so one look at a time serves all calls, and looks take a fifth of the time at most.
final class Explanations: Sendable {
    private typealias Answer = @Sendable (LockLook.Found?) -> Void

    private struct State {
        var isLooking = false
        var lookCount = 0
        var waiting: [(keys: [AdvisoryKey], answer: Answer)] = []
    }

    private let state = Locked(State())

    /// The error of a call, with the holders of what it has waited for if it was told that this is taken.
    ///
    /// - Returns: The same error if nothing can be found out within `timeouts.explanation`.
    nonisolated(nonsending) func explain(_ error: any Error, by driver: LockDriver) async -> any Error {
        let limit = driver.configuration.timeouts.explanation
        guard limit > .zero, let timeout = error as? LockError, timeout.code == .timedOut, !timeout.keys.isEmpty, !Task.isCancelled else {
            return error
        }
        let held = EnclosingLock.all.filter(\.state.isOpen).compactMap(\.key)
        let keys = timeout.keys.map(\.advisory) + held.map(\.advisory)
        guard let found = await find(Array(keys.prefix(100)), within: limit, by: driver) else { return error }
        let holders = timeout.keys.flatMap { key in
            found.locks.filter { $0.isHeld && $0.key == key.advisory }.map { LockHolder($0, key: key) }
        }
        return timeout.explained(by: holders, own: await driver.processIDs, ring: Self.ring(timeout.keys, held, found.locks))
    }

    /// A session that holds what is waited for, and whose manager waits for what this task holds.
    private static func ring(_ wanted: [LockKey], _ held: [LockKey], _ locks: [SeenLock]) -> (holder: LockHolder, key: LockKey)? {
        for holder in locks where holder.isHeld {
            guard let key = wanted.first(where: { $0.advisory == holder.key }) else { continue }
            let waits = locks.filter { !$0.isHeld && $0.session.manager == holder.session.manager }
            if let mine = held.first(where: { mine in waits.contains { $0.key == mine.advisory } }) {
                return (LockHolder(holder, key: key), mine)
            }
        }
        return nil
    }

    // MARK: Looking

    /// For tests.
    var lookCount: Int { state.withLock { $0.lookCount } }

    private nonisolated(nonsending) func find(
        _ keys: [AdvisoryKey],
        within limit: Duration,
        by driver: LockDriver
    ) async -> LockLook.Found? {
        await withCheckedContinuation { continuation in
            let open = Locked<CheckedContinuation<LockLook.Found?, Never>?>(continuation)
            let finish: Answer = { found in
                let continuation = open.withLock { open in
                    defer { open = nil }
                    return open
                }
                continuation?.resume(returning: found)
            }
            let isFirst = state.withLock { state in
                state.waiting.append((keys, finish))
                defer { state.isLooking = true }
                return !state.isLooking
            }
            // Detached: neither has to do with the scopes of the task.
            if isFirst { Task.detached { [self] in await lookForAll(limit, driver) } }
            Task.detached {
                try? await Task.sleep(for: limit)
                finish(nil)
            }
        }
    }

    /// Looks until no call waits.
    private func lookForAll(_ limit: Duration, _ driver: LockDriver) async {
        while true {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                state.isLooking = !state.waiting.isEmpty
                if state.isLooking { state.lookCount += 1 }
                return state.waiting
            }
            guard !waiting.isEmpty else { return }
            let begin = MonotonicTime.now
            let keys = Set(waiting.flatMap(\.keys)).sorted()
            let found = try? await ServerLooks(driver: driver).find(LockLook(keys: keys), timeout: limit, limit: limit)
            let cost = begin.duration(to: MonotonicTime.now)
            for call in waiting { call.answer(found) }
            try? await Task.sleep(for: cost * 4)
        }
    }
}
