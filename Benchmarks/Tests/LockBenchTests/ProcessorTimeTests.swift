import Foundation
import Testing

@testable import lock_bench

@Suite
struct ProcessorTimeTests {
    @Test("a process's times are read behind its name, which may contain spaces and parentheses")
    func stat() throws {
        let text = """
            4711 (post) gres: (x) S 1 4711 4711 0 -1 4194560 1000 2000 0 0 150 50 1000 250 20 0 3 0 12345 229376000 4000 18446744073709551615
            """
        let stat = try #require(ProcessStat(parsing: text, ticksPerSecond: 100))
        #expect(stat.own == 2)
        #expect(stat.endedChildren == 12.5)
        #expect(stat.threads == 3)
    }

    @Test("an incomplete line of a process's times has no value")
    func incompleteStat() {
        #expect(ProcessStat(parsing: "4711 (postgres) S 1 4711", ticksPerSecond: 100) == nil)
        #expect(ProcessStat(parsing: "", ticksPerSecond: 100) == nil)
    }

    @Test("the scheduler's time is in nanoseconds, and is the first of three fields")
    func schedulerTime() {
        #expect(ProcessorTime.schedulerTime(parsing: "2500000000 7 1921\n") == 2.5)
        #expect(ProcessorTime.schedulerTime(parsing: "2500000000") == nil)
        #expect(ProcessorTime.schedulerTime(parsing: "a b c") == nil)
    }

    #if os(Linux)
        @Test("the time of a process that computes grows as much as its own count of it")
        func ownTime() throws {
            let process = ProcessInfo.processInfo.processIdentifier
            let before = try #require(ProcessorTime.of(process))
            let own = ProcessorTime.own()
            while ProcessorTime.own() - own < 0.3 {}
            let after = try #require(ProcessorTime.of(process))
            // The kernel adds up the time of a running thread at each tick. Other tests may run at the same time.
            #expect(after - before > 0.25)
        }

        @Test("the time of a server includes its children, also those that have ended")
        func serverTime() async throws {
            // The shell has a child that computes for a while, and goes on when it has ended.
            let loop = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "sh -c '\(loop)'; echo done; read line"]
            let output = Pipe()
            let input = Pipe()
            process.standardOutput = output
            process.standardInput = input
            try process.run()
            _ = output.fileHandleForReading.availableData
            let used = try #require(ServerTime.used(by: process.processIdentifier))
            let own = try #require(ProcessorTime.of(process.processIdentifier))
            input.fileHandleForWriting.closeFile()
            process.waitUntilExit()
            #expect(used - own > 0.02)
        }
    #endif

    @Test("a process that does not exist has no time")
    func noProcess() {
        #expect(ProcessorTime.of(-1) == nil)
        #expect(ServerTime.used(by: -1) == nil)
    }
}
