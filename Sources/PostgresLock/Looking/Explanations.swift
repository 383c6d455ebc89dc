import LibPQ
import LockCore

/// Finds out which sessions hold what calls have waited for in vain.
///
/// The server walks through all its locks for a look, so one look at a time serves all calls, and looks take a fifth of the time at most.
final class Explanations: Sendable {
    private typealias Answer = @Sendable (LockLook.Found?) -> Void

    private struct Call {
        /// `nil` for all that are waited for.
        let keys: [AdvisoryKey]?
        let answer: Answer
    }

    private struct State {
        var isLooking = false
        var lookCount = 0
        var waiting: [Call] = []
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
        let begin = MonotonicTime.now
        let inside = EnclosingLock.open.flatMap(\.keys)
        let (wanted, held) = (timeout.keys.map(\.advisory), Set(inside.map(\.advisory)))
        guard let found = await find(Array((wanted + inside.map(\.advisory)).prefix(100)), within: limit, by: driver) else { return error }
        let holders = timeout.keys.flatMap { key in
            found.locks.filter { $0.isHeld && $0.key == key.advisory }.map { LockHolder($0, key: key) }
        }
        var ring = WaitRing(from: wanted, to: held, in: found.locks)
        // A longer ring goes through keys that this task does not know of, and ends with a wait for what it holds.
        if ring == nil, found.locks.contains(where: { !$0.isHeld && held.contains($0.key) }),
            case let rest = limit - begin.duration(to: MonotonicTime.now), rest > .zero,
            let others = await find(nil, within: rest, by: driver)
        {
            ring = WaitRing(from: wanted, to: held, in: found.locks + others.locks)
        }
        return timeout.explained(by: holders, own: await driver.processIDs, ring: ring, inside: inside)
    }

    // MARK: Looking

    /// For tests.
    var lookCount: Int { state.withLock { $0.lookCount } }

    private nonisolated(nonsending) func find(
        _ keys: [AdvisoryKey]?,
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
                state.waiting.append(Call(keys: keys, answer: finish))
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
            let keys = waiting.compactMap(\.keys)
            if !keys.isEmpty {
                let found = await look(LockLook(keys: Set(keys.joined()).sorted()), limit, driver)
                for call in waiting where call.keys != nil { call.answer(found) }
            }
            if keys.count < waiting.count {
                var contended = LockLook()
                contended.isContendedOnly = true
                let found = await look(contended, limit, driver)
                for call in waiting where call.keys == nil { call.answer(found) }
            }
            let cost = begin.duration(to: MonotonicTime.now)
            try? await Task.sleep(for: cost * 4)
        }
    }

    private nonisolated(nonsending) func look(_ look: LockLook, _ limit: Duration, _ driver: LockDriver) async -> LockLook.Found? {
        try? await ServerLooks(driver: driver).find(look, timeout: limit, limit: limit)
    }
}
