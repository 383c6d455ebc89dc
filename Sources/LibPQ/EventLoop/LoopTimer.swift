import Dispatch

/// One timer for whatever is due next.
///
/// All deadlines share it: a heap elsewhere knows the earliest one, and a Dispatch timer per waiting task would cost more
/// than the wait itself. Confined to its loop.
package final class LoopTimer {
    private let source: any DispatchSourceTimer
    private var armedFor: Int64?

    /// - Parameter handler: Called on the loop when the time has come.
    package init(on loop: EventLoop, handler: @escaping @Sendable () -> Void) {
        source = DispatchSource.makeTimerSource(queue: loop.queue)
        // Marked as sendable, since a closure formed inside an actor would inherit its isolation and trap here.
        let onEvent: @Sendable () -> Void = { loop.enter(handler) }
        source.setEventHandler(handler: onEvent)
        source.activate()
    }

    deinit {
        source.cancel()
    }

    /// Sees to it that the timer fires at a time, or before.
    ///
    /// A timer that is armed for an earlier time is left alone, since arming costs a system call and wakes a thread of
    /// Dispatch's: it fires in vain, once, and is armed for what is due then. So deadlines that move on with every
    /// statement cost nothing.
    ///
    /// - Parameters:
    ///   - time: In nanoseconds, on the clock that `now` is read from.
    ///   - now: The time at present.
    package func arm(at time: Int64, now: Int64) {
        guard armedFor.map({ time < $0 }) ?? true else { return }
        armedFor = time
        let delay = DispatchTimeInterval.nanoseconds(Int(clamping: max(0, time - now)))
        source.schedule(deadline: .now() + delay, leeway: .microseconds(100))
    }

    /// The timer has fired: the next `arm` counts even if it names the same time.
    package func hasFired() {
        armedFor = nil
    }
}
