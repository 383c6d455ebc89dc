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
            let descriptor = try #require(timer.descriptor)
            let info = try String(contentsOfFile: "/proc/self/fdinfo/\(descriptor)", encoding: .utf8)
            // CLOCK_BOOTTIME
            #expect(info.contains("clockid: 7\n"), "\(info)")
        }
    #endif
}
