import ChildProcesses
import CommandSupport
import Foundation
import Testing

@testable import LockDemo

@Suite("The demonstration's scoreboard")
struct ScoreboardTests {
    private static let beginning = ContinuousClock.now

    @Test("the demonstration starts all workers when the last one is ready")
    func start() throws {
        var board = Scoreboard(isLocked: true, workers: 2, seconds: 4)
        #expect(try board.note(.ready, of: 1, now: Self.beginning).isEmpty)
        #expect(try board.note(.ready, of: 0, now: Self.beginning) == [.tell(0, .go), .tell(1, .go)])
    }

    @Test("after half of the run one worker pauses with the lock and is killed, and the scoreboard measures when the next one gets it")
    func kill() throws {
        var board = try running()
        #expect(board.advance(to: Self.beginning + .milliseconds(1900)).isEmpty)
        #expect(board.advance(to: Self.beginning + .milliseconds(2100)) == [.tell(0, .pause)])
        #expect(board.advance(to: Self.beginning + .milliseconds(2200)).isEmpty)
        let orders = try board.note(.pausing, of: 0, now: Self.beginning + .milliseconds(2300))
        #expect(orders.first == .kill(0))
        let after = Self.beginning + .milliseconds(2400)
        #expect(try board.note(.working(since: after, waited: .seconds(7)), of: 1, now: after).count == 1)
        #expect(board.kill?.next?.worker == 1 && board.kill?.next?.after == .milliseconds(100))
        #expect(board.waits == [.seconds(7)])
        _ = try board.noteEnd(of: 0, .signalled(SIGKILL))
        #expect(!board.isOver)
        #expect(board.advance(to: Self.beginning + .milliseconds(4100)) == [.tell(1, .stop)])
        _ = try board.noteEnd(of: 1, .exited(0))
        #expect(board.isOver)
    }

    @Test("the demonstration fails if a worker reports a failure or ends unexpectedly")
    func failures() throws {
        var board = try running()
        #expect(throws: CommandFailure.self) { try board.note(.failed("why"), of: 0, now: Self.beginning) }
        #expect(throws: CommandFailure.self) { try board.noteEnd(of: 0, .signalled(SIGSEGV)) }
    }

    @Test("a worker's report can be parsed from its line")
    func reports() throws {
        let reports: [WorkerReport] = [
            .ready, .asking, .added, .pausing, .working(since: Self.beginning, waited: .zero), .holding(token: "none"),
            .wrote(isHeld: false, isAccepted: true), .failed("it broke,\ntwice"),
        ]
        for report in reports {
            let line = try report.line
            #expect(try WorkerReport(line: line) == report && !line.contains("\n"))
        }
        #expect(throws: DecodingError.self) { try WorkerReport(line: "") }
    }

    @Test("percentiles of waiting times are measured values")
    func percentiles() {
        #expect(Percentile.of([], 50) == nil)
        #expect(Percentile.of([.seconds(3)], 99) == .seconds(3))
        #expect(Percentile.of((1...100).reversed().map { .seconds($0) }, 50) == .seconds(50))
        #expect(Percentile.of((1...100).map { .seconds($0) }, 99) == .seconds(99))
    }

    @Test("the demonstration's bars have the given width, and its numbers have commas between thousands")
    func texts() {
        for fraction in [-1, 0, 0.01, 0.33, 0.5, 0.999, 1, 2] { #expect(Text.bar(fraction, width: 10).count == 10) }
        #expect(Text.number(0) == "0" && Text.number(1_234_567) == "1,234,567" && Text.number(-100_000) == "-100,000")
    }

    /// A run of two workers.
    private func running() throws -> Scoreboard {
        var board = Scoreboard(isLocked: true, workers: 2, seconds: 4)
        for worker in 0...1 { _ = try board.note(.ready, of: worker, now: Self.beginning) }
        for worker in 0...1 { _ = try board.note(.asking, of: worker, now: Self.beginning) }
        return board
    }
}
