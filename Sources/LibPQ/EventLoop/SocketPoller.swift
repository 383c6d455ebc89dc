#if os(Linux)
    import CLibPQ
    import Synchronization

    /// Waits for sockets on a thread of its own, which enters a socket's event loop when the socket is ready.
    ///
    /// A source of Dispatch would do the same by three threads: one waits, one takes the event from it, and the sources are armed again by the
    /// first one. That is about ten system calls and two wake-ups for each event, here it is three and one.
    ///
    /// A thread serves several loops, so no code on it may block. It never runs the jobs of actors, and never polls for an answer. The library
    /// has no hold on two things that happen there: what a user's executor does in `enqueue`, and what Dispatch does where no thread can be made.
    final class SocketPoller: Sendable {
        /// What a socket is ready for.
        struct Events: OptionSet {
            let rawValue: UInt32

            static let readable = Events(rawValue: pglock_epoll_readable)
            static let writable = Events(rawValue: pglock_epoll_writable)
            /// Reported whether asked for or not.
            static let broken = Events(rawValue: pglock_epoll_broken)
        }

        typealias Handler = @Sendable (Events) -> Void

        /// One for each core, at most four. Most programs have one loop, and so one thread.
        private static let all = (0..<min(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), 4)).map { _ in SocketPoller() }
        private static let lastTaken = Atomic<Int>(0)

        /// The next one of them, in turn.
        static func next() -> SocketPoller {
            all[abs(lastTaken.wrappingAdd(1, ordering: .relaxed).oldValue % all.count)]
        }

        private let handlers = Locked<[UInt64: Handler]>([:])
        private let lastNumber = Atomic<UInt64>(0)
        private let isRunning = Locked(false)
        /// The set of watched sockets; -1 before it is made.
        private let epoll = Atomic<Int32>(-1)
        private let thread = Atomic<UInt>(0)

        /// Whether this is the thread of a poller.
        static var isCurrent: Bool {
            let current = EventLoop.currentThread
            return all.contains { $0.thread.load(ordering: .relaxed) == current }
        }

        /// Begins to watch a socket, which is not armed: see ``arm(_:_:for:)``.
        ///
        /// - Parameter handler: Called on the thread, at most once each time that the socket was armed.
        /// - Returns: The number that the watched socket has from then on; `nil` if the system has no room for it.
        func add(_ socket: Int32, handler: @escaping Handler) -> UInt64? {
            guard start() else { return nil }
            let number = lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
            handlers.withLock { $0[number] = handler }
            guard control(EPOLL_CTL_ADD, socket, number, []) else {
                handlers.withLock { $0[number] = nil }
                return nil
            }
            return number
        }

        /// Reports once, as soon as the socket is ready for any of these. An earlier call has no effect any more.
        func arm(_ socket: Int32, _ number: UInt64, for events: Events) {
            _ = control(EPOLL_CTL_MOD, socket, number, events)
        }

        func set(_ handler: @escaping Handler, of number: UInt64) {
            handlers.withLock { $0[number] = handler }
        }

        /// Ends the watch. To be called before the socket is closed. One call of the handler may be under way.
        func remove(_ socket: Int32, _ number: UInt64) {
            _ = control(EPOLL_CTL_DEL, socket, number, [])
            // Not released under the mutex, since that may run any code.
            _ = handlers.withLock { $0.removeValue(forKey: number) }
        }

        private func control(_ operation: Int32, _ socket: Int32, _ number: UInt64, _ events: Events) -> Bool {
            var event = epoll_event(events: events.rawValue | pglock_epoll_once, data: epoll_data(u64: number))
            return epoll_ctl(epoll.load(ordering: .relaxed), operation, socket, &event) == 0
        }

        /// - Returns: Whether the thread runs. If not, the process has no descriptor or no thread left, which a later call may find.
        private func start() -> Bool {
            isRunning.withLock { isRunning in
                guard !isRunning else { return true }
                var epoll = epoll.load(ordering: .relaxed)
                if epoll < 0 {
                    epoll = epoll_create1(O_CLOEXEC)
                    self.epoll.store(epoll, ordering: .relaxed)
                }
                isRunning = epoll >= 0 && OwnThread.run(name: "pglock-sockets", resumesTasks: true) { [self, epoll] in run(epoll) }
                return isRunning
            }
        }

        private func run(_ epoll: Int32) {
            thread.store(EventLoop.currentThread, ordering: .relaxed)
            withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: 64) { ready in
                while true {
                    let count = epoll_wait(epoll, ready.baseAddress, Int32(ready.count), -1)
                    precondition(count >= 0 || pglock_was_interrupted() != 0, "The program has closed a descriptor that is not its own.")
                    for index in 0..<max(0, Int(count)) {
                        let event = ready[index]
                        let handler = handlers.withLock { $0[event.data.u64] }
                        handler?(Events(rawValue: event.events))
                    }
                }
            }
        }
    }
#endif
