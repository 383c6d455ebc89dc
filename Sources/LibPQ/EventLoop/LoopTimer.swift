import CLibPQ
import Dispatch

/// One timer for the earliest deadline. Confined to a loop.
package protocol DeadlineTimer: AnyObject {
    /// Makes the timer fire at a time, or before.
    ///
    /// - Parameters:
    ///   - time: In nanoseconds, on the clock that `now` is read from.
    ///   - now: The time at present.
    func arm(at time: Int64, now: Int64)

    /// The timer has fired: the next `arm` counts even if it names the same time.
    func hasFired()
}

/// A timer on a clock that runs while the machine is suspended. A lease runs out during suspension, too, and
/// its holders have to learn of that as soon as the machine wakes up.
///
/// All deadlines share the timer, since a Dispatch timer for each waiting task would cost more than the wait itself. Confined to its
/// loop.
package final class LoopTimer: DeadlineTimer {
    private let clock: any TimerClock
    private var armedFor: Int64?

    /// - Parameter handler: Called on the loop when the timer fires.
    package init(on loop: EventLoop, handler: @escaping @Sendable () -> Void) {
        let onEvent: @Sendable () -> Void = { loop.enter(handler) }
        #if os(Linux)
            clock = BootTimer(on: loop.queue, onEvent) ?? DispatchTimers(on: loop.queue, onEvent)
        #else
            clock = DispatchTimers(on: loop.queue, onEvent)
        #endif
    }

    /// A timer that is armed for an earlier time is not changed, since arming costs a system call. It fires once without need, and is armed
    /// for the next deadline then. So deadlines that move on with each statement cost nothing.
    package func arm(at time: Int64, now: Int64) {
        guard armedFor.map({ time < $0 }) ?? true else { return }
        armedFor = time
        clock.arm(after: max(0, time.subtractingReportingOverflow(now).partialValue))
    }

    package func hasFired() {
        armedFor = nil
    }
}

private protocol TimerClock {
    func arm(after nanoseconds: Int64)
}

#if os(Linux)
    /// The kernel's timer on `CLOCK_BOOTTIME`. Dispatch has none on that clock: `DispatchTime` stands still during suspension, and
    /// the wall clock can be set back.
    private final class BootTimer: TimerClock {
        private let timer: Int32
        private let source: any DispatchSourceRead

        init?(on queue: DispatchQueue, _ onEvent: @escaping @Sendable () -> Void) {
            let timer = pglock_timer_create()
            guard timer >= 0 else { return nil }
            self.timer = timer
            source = DispatchSource.makeReadSource(fileDescriptor: timer, queue: queue)
            // Marked as sendable, since a closure formed inside an actor would inherit its isolation and trap here.
            let onFire: @Sendable () -> Void = {
                var count: UInt64 = 0
                // The timer stays readable until it is read. If it was armed again meanwhile, there is nothing to read.
                _ = read(timer, &count, 8)
                onEvent()
            }
            let onCancel: @Sendable () -> Void = { _ = close(timer) }
            source.setEventHandler(handler: onFire)
            source.setCancelHandler(handler: onCancel)
            source.activate()
        }

        deinit {
            source.cancel()
        }

        func arm(after nanoseconds: Int64) {
            _ = pglock_timer_arm(timer, nanoseconds)
        }
    }
#endif

/// Two Dispatch timers, of which the first to fire counts: one on the clock that stops during suspension, and one on the wall clock, which
/// does not stop, but can be set back.
private final class DispatchTimers: TimerClock {
    private let running: any DispatchSourceTimer
    private let wall: any DispatchSourceTimer

    init(on queue: DispatchQueue, _ onEvent: @escaping @Sendable () -> Void) {
        running = DispatchSource.makeTimerSource(queue: queue)
        wall = DispatchSource.makeTimerSource(queue: queue)
        for source in [running, wall] {
            source.setEventHandler(handler: onEvent)
            source.activate()
        }
    }

    deinit {
        running.cancel()
        wall.cancel()
    }

    func arm(after nanoseconds: Int64) {
        let delay = DispatchTimeInterval.nanoseconds(Int(clamping: nanoseconds))
        running.schedule(deadline: .now() + delay, leeway: .microseconds(100))
        wall.schedule(wallDeadline: .now() + delay, leeway: .microseconds(100))
    }
}
