import ChildProcesses
import CommandSupport
import Foundation
import Testing

@testable import LockDemo

@Suite("The demonstration's scoreboard")
struct ScoreboardTests {
    @Test("the demonstration starts all workers when the last one is ready")
    func start() throws {
        var board = Scoreboard(isLocked: true, workers: 2, length: .seconds(4))
        #expect(try board.note(.ready, of: 1, now: 5).isEmpty)
        #expect(try board.note(.ready, of: 0, now: 10) == [.tell(0, .go), .tell(1, .go)])
    }

    @Test("after half of the run one worker pauses with the lock and is killed, and the scoreboard measures when the next one gets it")
    func kill() throws {
        var board = try running(length: .seconds(4))
        #expect(board.advance(to: 1_900_000_000).isEmpty)
        #expect(board.advance(to: 2_100_000_000) == [.tell(1, .pause)])
        #expect(board.advance(to: 2_200_000_000).isEmpty)
        let orders = try board.note(.pausing, of: 1, now: 2_300_000_000)
        #expect(orders.first == .kill(1))
        let after = DemoClock.nanoseconds + 5_000_000
        #expect(try board.note(.working(since: after, waited: 7), of: 0, now: after).count == 1)
        #expect(board.kill?.next?.worker == 0)
        #expect(board.waits == [7])
        _ = try board.noteEnd(of: 1, .signalled(SIGKILL))
        #expect(!board.isOver)
        #expect(board.advance(to: 4_100_000_000).contains(.tell(0, .stop)))
        _ = try board.noteEnd(of: 0, .exited(0))
        #expect(board.isOver)
    }

    @Test("if the worker to be killed finishes before it pauses, another one is chosen")
    func secondChoice() throws {
        var board = try running(length: .rounds(1))
        _ = try board.note(.added, of: 0, now: 1)
        #expect(board.advance(to: 2) == [.tell(1, .pause)])
        _ = try board.noteEnd(of: 1, .exited(0))
        #expect(board.advance(to: 3) == [.tell(0, .pause)])
    }

    @Test("the demonstration fails if a worker reports a failure or ends unexpectedly")
    func failures() throws {
        var board = try running(length: .seconds(4))
        #expect(throws: CommandFailure.self) { try board.note(.failed("why"), of: 0, now: 1) }
        #expect(throws: CommandFailure.self) { try board.noteEnd(of: 0, .signalled(SIGSEGV)) }
    }

    @Test("a worker's report can be parsed from its line")
    func reports() {
        let reports: [WorkerReport] = [
            .ready, .asking, .added, .pausing, .working(since: .max, waited: 0), .failed("it broke, twice"),
        ]
        for report in reports { #expect(WorkerReport(line: report.line) == report) }
        #expect(WorkerReport(line: "working 1") == nil)
        #expect(WorkerReport(line: "") == nil)
    }

    @Test("percentiles of waiting times are measured values")
    func percentiles() {
        #expect(Percentile.of([], 50) == nil)
        #expect(Percentile.of([3], 99) == 3)
        #expect(Percentile.of((1...100).reversed().map { $0 }, 50) == 50)
        #expect(Percentile.of((1...100).map { $0 }, 99) == 99)
    }

    @Test("the demonstration's bars have the given width, and its numbers have commas between thousands")
    func texts() {
        for fraction in [-1, 0, 0.01, 0.33, 0.5, 0.999, 1, 2] { #expect(Text.bar(fraction, width: 10).count == 10) }
        #expect(Text.number(0) == "0" && Text.number(1_234_567) == "1,234,567" && Text.number(-100_000) == "-100,000")
    }

    /// A run of two workers that started at 0, in which the first one has made more additions.
    private func running(length: DemoLength) throws -> Scoreboard {
        var board = Scoreboard(isLocked: true, workers: 2, length: length)
        for worker in 0...1 {
            _ = try board.note(.ready, of: worker, now: 0)
        }
        for worker in 0...1 { _ = try board.note(.asking, of: worker, now: 0) }
        _ = try board.note(.added, of: 0, now: 0)
        return board
    }
}
