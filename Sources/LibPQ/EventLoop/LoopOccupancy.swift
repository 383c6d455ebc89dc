import Synchronization

/// Whether a thread runs an event loop, and whether others have left work for it.
///
/// A thread that leaves work puts it where the running thread will look, and then calls ``noteWork()``. The loop is freed only as long as no work
/// is noted. So the work is either found by the running thread, or the thread that has left it is told to see to it.
struct LoopOccupancy: ~Copyable, Sendable {
    private enum State: UInt8, AtomicRepresentable {
        case free
        case busy
        /// Work was left for the thread that runs the loop.
        case busyWithWork
        /// The thread that runs the loop polls a socket, and has to be woken for other work.
        case polling
    }

    /// What the thread that has left work has to do.
    enum Duty {
        /// The thread that runs the loop finds the work.
        case none
        /// The thread that runs the loop has to be woken.
        case wake
        /// No thread ran the loop. It belongs to the caller now.
        case run
    }

    private let state = Atomic(State.free)

    /// Takes the loop if it is free.
    borrowing func enter() -> Bool { change(.free, to: .busy) }

    /// Frees the loop. To be called by the thread that runs it.
    ///
    /// - Returns: Whether it is free. If not, there is work, which is not noted any more.
    borrowing func leave() -> Bool {
        if change(.busy, to: .free) { return true }
        state.store(.busy, ordering: .sequentiallyConsistent)
        return false
    }

    /// Work is left. Called by any thread, after it has put the work where it will be found.
    borrowing func noteWork() -> Duty {
        while true {
            if change(.busy, to: .busyWithWork) { return .none }
            if change(.polling, to: .busyWithWork) { return .wake }
            if change(.free, to: .busyWithWork) { return .run }
            if state.load(ordering: .sequentiallyConsistent) == .busyWithWork { return .none }
        }
    }

    /// Not all the work was taken that was noted. To be called by the thread that runs the loop.
    borrowing func noteRest() { state.store(.busyWithWork, ordering: .sequentiallyConsistent) }

    /// Begins a poll, unless there is work.
    borrowing func beginPoll() -> Bool { change(.busy, to: .polling) }

    /// From now on nothing has to be woken.
    borrowing func endPoll() { _ = change(.polling, to: .busy) }

    /// One order of all changes is what the reasoning above rests on. On the processors in use it costs no more than a weaker one.
    private borrowing func change(_ old: State, to new: State) -> Bool {
        state.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent).exchanged
    }
}
