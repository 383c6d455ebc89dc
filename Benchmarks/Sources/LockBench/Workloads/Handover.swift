import ChildProcesses
import Foundation

/// Two processes that hold the same lock in turn, and the times from one's release to the other's grant.
///
/// Each process reads a line for each thing that it has to do, and answers by a line with a time. This process is idle while the lock is
/// handed over.
struct Handover {
    let command: [String]
    let seconds: Double
    /// How long each holds the lock after the other was told to acquire it, in seconds. In this time the other begins to wait.
    let holding: Range<Double>

    /// Connections, caches and prepared statements are not measured.
    private static let warmUps = 6
    private static let timeout = Duration.seconds(20)

    /// Measures until the time is over.
    ///
    /// - Returns: `p50` and `p99` in microseconds, and `count`, the number of handovers.
    func measure() async throws -> [String: Double] {
        let first = try AlternatingProcess(command)
        let second: AlternatingProcess
        do {
            second = try AlternatingProcess(command)
        } catch {
            await first.end()
            throw error
        }
        // A client that waits without end is ended, which ends this process's wait for its line.
        let limit = Self.timeout + .seconds(seconds)
        let watch = Task {
            try await Task.sleep(for: limit)
            first.kill()
            second.kill()
        }
        let result: Result<[Double], any Error>
        do {
            let times = try await withTaskCancellationHandler {
                try await alternate(first, second)
            } onCancel: {
                first.kill()
                second.kill()
            }
            result = .success(times)
        } catch {
            result = .failure(error)
        }
        watch.cancel()
        await first.end()
        await second.end()
        try Task.checkCancellation()
        return try Self.summary(try result.get())
    }

    /// The time of each handover after the warm-up, in nanoseconds.
    private func alternate(_ first: AlternatingProcess, _ second: AlternatingProcess) async throws -> [Double] {
        for process in [first, second] { _ = try await process.answer("ready") }
        var holder = first
        var next = second
        holder.tell()
        _ = try await holder.answer("acquired")
        var times: [Double] = []
        var begin = ContinuousClock.now
        var number = 0
        while number < Self.warmUps || ContinuousClock.now - begin < .seconds(seconds) {
            next.tell()
            try await Task.sleep(for: .seconds(Double.random(in: holding)))
            holder.tell()
            let acquired = try await next.answer("acquired")
            let released = try await holder.answer("released")
            number += 1
            if number > Self.warmUps { times.append(acquired - released) }
            if number == Self.warmUps { begin = .now }
            swap(&holder, &next)
        }
        holder.tell()
        _ = try await holder.answer("released")
        return times
    }

    static func summary(_ nanoseconds: [Double]) throws -> [String: Double] {
        guard let median = Percentile.of(nanoseconds, 0.5), let high = Percentile.of(nanoseconds, 0.99) else {
            throw BenchError("There was no handover.")
        }
        guard nanoseconds.allSatisfy({ $0 > 0 }) else { throw BenchError("A lock was granted before the other process released it.") }
        return ["p50": median / 1000, "p99": high / 1000, "count": Double(nanoseconds.count)]
    }
}

/// One of the two processes.
private final class AlternatingProcess: Sendable {
    private let process: ChildProcess
    private let errors: String

    init(_ command: [String]) throws {
        errors = FileManager.default.temporaryDirectory.appendingPathComponent("lock-bench-\(UInt64.random(in: .min ... .max))").path
        process = try ChildProcess(
            ["/usr/bin/env"] + command,
            environment: Child.environment,
            input: .pipe,
            output: .pipe,
            error: .file(errors)
        )
    }

    /// Tells it to do the next thing: to acquire, then to release, and so on.
    func tell() {
        process.write("next")
    }

    /// Waits for its next line, which has to begin with this word.
    ///
    /// - Returns: The time in the line, in nanoseconds; 0 if there is none.
    func answer(_ word: String) async throws -> Double {
        for await line in process.lines {
            let words = line.split(separator: " ")
            guard words.first == Substring(word) else { throw BenchError("A client said \"\(line)\" instead of \"\(word)\".") }
            return words.count > 1 ? Double(words[1]) ?? 0 : 0
        }
        let reason = (try? String(contentsOfFile: errors, encoding: .utf8))?.split(separator: "\n").suffix(3).joined(separator: " / ")
        throw BenchError("A client ended early: \(reason ?? "it printed no error").")
    }

    func kill() {
        process.signal(SIGKILL)
    }

    /// Ends its input, whereupon it ends by itself, and by SIGKILL if that takes long.
    func end() async {
        process.closeInput()
        let kill = Task {
            try await Task.sleep(for: .seconds(2))
            process.signal(SIGKILL)
        }
        _ = await process.waitForEnd()
        kill.cancel()
        try? FileManager.default.removeItem(atPath: errors)
    }
}
