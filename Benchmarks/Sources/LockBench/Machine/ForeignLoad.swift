import Foundation

/// Measures how much processor time other processes use, during a measurement and before it.
struct ForeignLoad {
    /// The main processes of the servers.
    let servers: [Int32]
    /// Other running processes that belong to the benchmark.
    var helpers: [Int32] = []

    /// The beginning of an interval.
    struct Mark {
        fileprivate let machine: MachineTimes?
        fileprivate let own: Double
        fileprivate let time: ContinuousClock.Instant
    }

    func mark() -> Mark {
        Mark(machine: MachineTimes.now(), own: own, time: .now)
    }

    /// How many cores other processes have kept busy since a mark, on average, and other virtual machines if the hypervisor reports
    /// them. `nil` on systems without `/proc`.
    func foreignCores(since mark: Mark) -> Double? {
        let end = self.mark()
        guard let first = mark.machine, let last = end.machine else { return nil }
        let foreign = (last.busy - first.busy) - (end.own - mark.own) + (last.stolen - first.stolen)
        return max(0, foreign / ((end.time - mark.time) / .seconds(1)))
    }

    /// Waits until other processes use less than a number of cores.
    ///
    /// - Returns: Whether they did so within the limit.
    func waitForIdle(atMost limit: Duration, below cores: Double) async throws -> Bool {
        let deadline = ContinuousClock.now + limit
        repeat {
            let mark = mark()
            try await Task.sleep(for: .milliseconds(200))
            guard let foreign = foreignCores(since: mark), foreign > cores else { return true }
        } while ContinuousClock.now < deadline
        return false
    }

    /// The processor time of the benchmark itself: of this process, its ended children, the helpers and the servers.
    private var own: Double {
        let processes = servers.compactMap(ServerTime.used) + helpers.compactMap(ProcessorTime.of)
        return processes.reduce(ProcessorTime.own() + ProcessorTime.endedChildren(), +)
    }
}
