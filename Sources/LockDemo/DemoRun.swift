import ChildProcesses
import Foundation

/// One run of the demonstration: several worker processes, with a lock or without.
struct DemoRun: Sendable {
    let number: Int
    let isLocked: Bool
    let workers: Int
    let seconds: Double
    let database: DemoDatabase

    private enum Event: Sendable {
        case report(worker: Int, WorkerReport)
        case ended(worker: Int, ChildProcess.Ending)
        case tick
    }

    /// Runs the workers to their end. When it returns or throws, all of them have ended.
    func run(_ display: any DemoDisplay) async throws -> DemoResult {
        try await database.begin(run: number)
        let (events, continuation) = AsyncStream<Event>.makeStream()
        var processes: [ChildProcess] = []
        let ticker = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(100))
                continuation.yield(.tick)
            }
        }
        defer { ticker.cancel() }
        do {
            for worker in 0..<workers {
                let process = try ChildProcess.worker(
                    DemoWorkerCommand.arguments(run: number, worker: worker, isLocked: isLocked),
                    url: database.url
                )
                processes.append(process)
                Task {
                    for await line in process.lines {
                        if let report = try? WorkerReport(line: line) { continuation.yield(.report(worker: worker, report)) }
                    }
                    continuation.yield(.ended(worker: worker, await process.waitForEnd()))
                }
            }
            var board = Scoreboard(isLocked: isLocked, workers: workers, seconds: seconds)
            for await event in events {
                try await handle(event, &board, processes, display)
                if board.isOver { break }
            }
            try Task.checkCancellation()
            board.totals = try await database.totals(run: number)
            display.update(board, isLast: true)
            return board.result
        } catch {
            for process in processes { await process.end() }
            throw error
        }
    }

    private func handle(
        _ event: Event,
        _ board: inout Scoreboard,
        _ processes: [ChildProcess],
        _ display: any DemoDisplay
    ) async throws {
        let orders: [Scoreboard.Order]
        switch event {
        case .report(let worker, let report): orders = try board.note(report, of: worker, now: .now)
        case .ended(let worker, let ending): orders = try board.noteEnd(of: worker, ending)
        case .tick:
            board.totals = try await database.totals(run: number)
            orders = board.advance(to: .now)
            display.update(board, isLast: false)
        }
        for order in orders {
            switch order {
            case .tell(let worker, let order): processes[worker].tell(order)
            case .kill(let worker): processes[worker].signal(SIGKILL)
            case .note(let text): display.note(text)
            }
        }
    }
}
