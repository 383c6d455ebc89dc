#if !os(Linux)
    import CLibPQ
    import Dispatch

    typealias SocketWatcher = DispatchSocketWatcher

    /// Reports when a socket can be read, and on request when it can be written. Confined to its loop. For the systems without epoll.
    final class DispatchSocketWatcher {
        /// The last message and the end of a connection can come as one event, and libpq needs two calls to read them.
        static let readsPerReport = 2

        private let loop: EventLoop
        private let socket: DuplicateSocket
        private let reading: any DispatchSourceRead
        private let writing: any DispatchSourceWrite
        private var isWatchingWrites = false
        private(set) var isParked = false
        private var isClosed = false

        /// Returns `nil` if the process has no descriptor left.
        init?(
            socket: Int32,
            on loop: EventLoop,
            onReadable: @escaping @Sendable () -> Void,
            onWritable: @escaping @Sendable () -> Void
        ) {
            guard let socket = DuplicateSocket(of: socket) else { return nil }
            self.loop = loop
            self.socket = socket
            reading = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: loop.queue)
            writing = DispatchSource.makeWriteSource(fileDescriptor: socket.descriptor, queue: loop.queue)
            let onRead: @Sendable () -> Void = { loop.enter(onReadable) }
            let onWrite: @Sendable () -> Void = { loop.enter(onWritable) }
            reading.setEventHandler(handler: onRead)
            writing.setEventHandler(handler: onWrite)
            reading.activate()
        }

        func watchWrites(_ isWanted: Bool) {
            guard isWanted != isWatchingWrites, !isClosed else { return }
            isWatchingWrites = isWanted
            // While there is nothing to write, the source is suspended, as it is at first.
            if isWanted {
                writing.resume()
            } else {
                writing.suspend()
            }
        }

        /// Stops reporting that the socket can be read, until ``unpark()``. One report may still come.
        func park() {
            guard !isParked, !isClosed else { return }
            isParked = true
            reading.suspend()
        }

        func unpark() {
            guard isParked, !isClosed else { return }
            isParked = false
            reading.resume()
        }

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
            guard !isClosed else { return }
            unpark()
            watchWrites(false)
            isClosed = true
            let (socket, loop) = (socket, loop)
            let (reading, writing) = (UncheckedTransfer(self.reading), UncheckedTransfer(self.writing))
            let isAtEnd = Locked(false)
            // One after the other: the socket must not be closed before both sources are cancelled.
            let onWritingCancelled: @Sendable () -> Void = {
                withExtendedLifetime(socket) { loop.enter { completion(isAtEnd.withLock { $0 }) } }
            }
            let onReadingCancelled: @Sendable () -> Void = {
                // A suspended source never delivers its cancellation, and must not be released either.
                writing.value.resume()
                writing.value.cancel()
            }
            let onReadable: @Sendable () -> Void = {
                guard socket.isAtEnd() else { return }
                isAtEnd.withLock { $0 = true }
                reading.value.cancel()
            }
            let onLimit: @Sendable () -> Void = { reading.value.cancel() }
            self.writing.setCancelHandler(handler: onWritingCancelled)
            self.reading.setCancelHandler(handler: onReadingCancelled)
            self.reading.setEventHandler(handler: onReadable)
            // After this method has returned, since its caller may still use the connection.
            loop.submit {
                goodbye()
                socket.endWriting()
                // What can be read already is not reported again.
                loop.queue.async(execute: onReadable)
            }
            loop.queue.asyncAfter(deadline: .now() + .milliseconds(Int(limit.whole(.milliseconds(1)))), execute: onLimit)
        }
    }
#endif
