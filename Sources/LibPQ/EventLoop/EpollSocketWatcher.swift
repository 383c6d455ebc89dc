#if os(Linux)
    import CLibPQ

    typealias SocketWatcher = EpollSocketWatcher

    /// Reports when a socket can be read, and on request when it can be written.
    ///
    /// Unchecked, because it is confined to its loop.
    final class EpollSocketWatcher: @unchecked Sendable {
        /// What is reported once may be more than one call of libpq reads. The rest is reported anew.
        static let readsPerReport = 1

        private enum End {
            case open
            /// The other side has not closed the connection yet.
            case closing(@Sendable (_ isAtEnd: Bool) -> Void)
            case closed
        }

        private let loop: EventLoop
        private let poller: SocketPoller
        private let onReadable: @Sendable () -> Void
        private let onWritable: @Sendable () -> Void
        /// `nil` once it is closed.
        private var socket: DuplicateSocket?
        private var number: UInt64 = 0
        private var isWatchingWrites = false
        private(set) var isParked = false
        /// What the poller is armed for.
        private var armed: SocketPoller.Events = []
        private var end = End.open

        /// Returns `nil` if the process has no descriptor left, or the system no room for another watched socket.
        init?(
            socket: Int32,
            on loop: EventLoop,
            onReadable: @escaping @Sendable () -> Void,
            onWritable: @escaping @Sendable () -> Void
        ) {
            guard let socket = DuplicateSocket(of: socket) else { return nil }
            self.loop = loop
            self.socket = socket
            self.onReadable = onReadable
            self.onWritable = onWritable
            poller = loop.poller
            let handler: SocketPoller.Handler = { [weak self, loop] events in
                loop.enter { [weak self] in self?.report(events) }
            }
            guard let number = poller.add(socket.descriptor, handler: handler) else { return nil }
            self.number = number
            arm()
        }

        deinit {
            if let socket { poller.remove(socket.descriptor, number) }
        }

        func watchWrites(_ isWanted: Bool) {
            isWatchingWrites = isWanted
            arm()
        }

        /// Stops reporting that the socket can be read, until ``unpark()``. One report may still come.
        func park() {
            isParked = true
            arm()
        }

        func unpark() {
            isParked = false
            arm()
        }

        /// Costs a system call if anything has changed.
        private func arm() {
            guard case .open = end else { return }
            var events: SocketPoller.Events = isParked ? [] : .readable
            if isWatchingWrites { events.insert(.writable) }
            arm(for: events)
        }

        private func arm(for events: SocketPoller.Events) {
            guard let socket, events != armed else { return }
            armed = events
            poller.arm(socket.descriptor, number, for: events)
        }

        private func report(_ events: SocketPoller.Events) {
            armed = []
            guard case .open = end else { return checkEnd() }
            if !events.isDisjoint(with: [.readable, .broken]) { onReadable() }
            if events.contains(.writable), isWatchingWrites { onWritable() }
            arm()
        }

        // MARK: Closing

        /// Reports nothing more. Waits until the other side has closed the connection as well, then stops watching.
        ///
        /// - Parameters:
        ///   - limit: The longest wait for the other side.
        ///   - goodbye: Ends the session. Called on the loop, after this method has returned.
        ///   - completion: Called on the loop, when nothing is watched any more: with whether the other side has closed the connection.
        func close(
            atMost limit: Duration,
            goodbye: @escaping @Sendable () -> Void,
            completion: @escaping @Sendable (_ isAtEnd: Bool) -> Void
        ) {
            // All on the loop, because a connection can be dropped anywhere; and after this method has returned, since its caller may still use
            // the connection.
            loop.submit { [self] in
                guard case .open = end else { return }
                end = .closing(completion)
                // From now on the poller keeps the watcher, until the end.
                poller.set({ [self, loop] events in loop.enter { self.report(events) } }, of: number)
                goodbye()
                socket?.endWriting()
                loop.run(after: Int(limit.whole(.milliseconds(1)))) { [weak self] in self?.finish(isAtEnd: false) }
                checkEnd()
            }
        }

        private func checkEnd() {
            guard let socket else { return }
            if socket.isAtEnd() { finish(isAtEnd: true) } else { arm(for: .readable) }
        }

        private func finish(isAtEnd: Bool) {
            guard case .closing(let completion) = end, let socket else { return }
            end = .closed
            poller.remove(socket.descriptor, number)
            self.socket = nil
            completion(isAtEnd)
        }
    }
#endif
