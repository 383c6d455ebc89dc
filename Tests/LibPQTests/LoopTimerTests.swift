import Foundation
import LibPQ
import Testing

@Suite("The event loop's timer")
struct LoopTimerTests {
    @Test("the timer fires at its time, again when it is armed again, and earlier when it is armed for an earlier time")
    func fires() async {
        let loop = EventLoop(label: "test.timer")
        let (fired, fire) = AsyncStream.makeStream(of: Void.self)
        let timer = UncheckedTransfer(LoopTimer(on: loop) { fire.yield() })
        var events = fired.makeAsyncIterator()
        for delay in [0, 1_000_000, 20_000_000] as [Int64] {
            let begun = ContinuousClock.now
            loop.enter {
                timer.value.hasFired()
                timer.value.arm(at: 3_600_000_000_000, now: 0)
                timer.value.arm(at: delay, now: 0)
            }
            await events.next()
            #expect(begun.duration(to: .now) >= .nanoseconds(delay))
        }
    }

    #if os(Linux)
        @Test("the timer runs on CLOCK_BOOTTIME, which does not stop while the machine is suspended")
        func clock() throws {
            let timer = LoopTimer(on: EventLoop(label: "test.timer")) {}
            let due: Int64 = 987_654_999_000_000_000
            timer.arm(at: due, now: 0)
            let folder = "/proc/self/fdinfo"
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { name in
                try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            }
            // By its time it differs from the timers of other tests. These digits stay the same for the next 16 minutes.
            let info = try #require(descriptors.first { $0.contains("it_value: (987654") })
            // CLOCK_BOOTTIME
            #expect(info.contains("clockid: 7\n"), "\(info)")
            withExtendedLifetime(timer) {}
        }
    #endif
}
