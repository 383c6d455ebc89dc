import Foundation
import Synchronization

/// Runs tasks that repeat a body, and counts its calls between warm-up and end.
final class Measurement: Sendable {
    private let seconds: Double
    private let start: Double?
    private let server: Int32?
    private let phase = Atomic(Phase.warmUp.rawValue)

    private static let warmUp = 0.3

    private enum Phase: Int {
        case warmUp
        case counting
        case over
    }

    /// - Parameters:
    ///   - seconds: The length of the measurement after the warm-up.
    ///   - start: When counting begins, in seconds since 1970; `nil` for after the warm-up.
    ///   - server: The server's main process, if its processor time is measured.
    init(seconds: Double, start: Double? = nil, server: Int32? = nil) {
        self.seconds = seconds
        self.start = start
        self.server = server
    }

    /// - Parameters:
    ///   - count: The number of tasks.
    ///   - body: The repeated work, for the task with this number.
    /// - Returns: `pairs`, and the values of ``Usage/end()``.
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
        // The phases change on a thread of its own. On one core, tasks whose bodies don't suspend leave no thread to a task that does it.
        var values = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [self] in
                continuation.resume(with: Result { try changePhases() })
            }
        }
        var pairs = 0
        for task in tasks { pairs += try await task.value }
        values["pairs"] = Double(pairs)
        return values
    }

    private func changePhases() throws -> [String: Double] {
        defer { phase.store(Phase.over.rawValue, ordering: .relaxed) }
        try waitForStart()
        let usage = Usage(server: server)
        phase.store(Phase.counting.rawValue, ordering: .relaxed)
        Thread.sleep(forTimeInterval: seconds)
        phase.store(Phase.over.rawValue, ordering: .relaxed)
        return usage.end()
    }

    private func waitForStart() throws {
        guard let start else {
            Thread.sleep(forTimeInterval: Self.warmUp)
            return
        }
        let left = start - Date().timeIntervalSince1970
        guard left > 0 else { throw BenchError("The worker was not ready at the common start.") }
        Thread.sleep(forTimeInterval: left)
    }
}
