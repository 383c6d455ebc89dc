import Foundation

/// Tells how much of the machine others use, while we measure and before.
struct Watch {
    /// The server's main process.
    let server: Int32?

    /// A moment from which on is counted.
    struct Mark {
        fileprivate let machine: MachineTimes?
        fileprivate let own: Double
        fileprivate let time: ContinuousClock.Instant
    }

    func mark() -> Mark {
        Mark(machine: MachineTimes.now(), own: ProcessTimes.used(server: server), time: .now)
    }

    /// How many cores others have kept busy since, on average: other processes, and other virtual machines where the
    /// hypervisor tells. `nil` where the system doesn't say.
    func foreignCores(since mark: Mark) -> Double? {
        let end = self.mark()
        guard let first = mark.machine, let last = end.machine else { return nil }
        let foreign = (last.busy - first.busy) - (end.own - mark.own) + (last.stolen - first.stolen)
        return max(0, foreign / ((end.time - mark.time) / .seconds(1)))
    }

    /// Waits until others leave the machine alone.
    ///
    /// - Returns: Whether they do.
    func waitForIdle(atMost limit: Duration, below cores: Double) async throws -> Bool {
        let deadline = ContinuousClock.now + limit
        repeat {
            let mark = mark()
            try await Task.sleep(for: .milliseconds(200))
            guard let foreign = foreignCores(since: mark), foreign > cores else { return true }
        } while ContinuousClock.now < deadline
        return false
    }
}
