import Foundation
import Synchronization

/// Runs tasks that repeat a body, and counts its calls between warm-up and end.
final class Measurement: Sendable {
    private let seconds: Double
    private let start: Double?
    private let phase = Atomic(Phase.warmUp.rawValue)

    private static let warmUp = Duration.milliseconds(300)

    private enum Phase: Int {
        case warmUp
        case counting
        case over
    }

    /// - Parameters:
    ///   - seconds: The length of the measurement after the warm-up.
    ///   - start: When counting begins, in seconds since 1970; `nil` for after the warm-up.
    init(seconds: Double, start: Double? = nil) {
        self.seconds = seconds
        self.start = start
    }

    /// - Parameters:
    ///   - count: The number of tasks.
    ///   - body: The repeated work, for the task with this number.
    /// - Returns: `pairs` and `seconds`.
    func run(tasks count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws -> [String: Double] {
        // Each task has its own counter, because a shared one would cost measurable time.
        let tasks = (0..<count).map { number in
            Task {
                var done = 0
                while true {
                    let before = phase.load(ordering: .relaxed)
                    if before == Phase.over.rawValue { return done }
                    try await body(number)
                    if before == Phase.counting.rawValue { done += 1 }
                }
            }
        }
        try await waitForStart()
        let begin = ContinuousClock.now
        phase.store(Phase.counting.rawValue, ordering: .relaxed)
        try await Task.sleep(for: .seconds(seconds))
        phase.store(Phase.over.rawValue, ordering: .relaxed)
        let length = (ContinuousClock.now - begin) / .seconds(1)
        var sum = 0
        for task in tasks { sum += try await task.value }
        return ["pairs": Double(sum), "seconds": length]
    }

    private func waitForStart() async throws {
        guard let start else {
            try await Task.sleep(for: Self.warmUp)
            return
        }
        let left = start - Date().timeIntervalSince1970
        guard left > 0 else { throw BenchError("The worker was not ready at the common start.") }
        try await Task.sleep(for: .seconds(left))
    }
}
