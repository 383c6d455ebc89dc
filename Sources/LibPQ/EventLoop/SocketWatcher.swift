import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Tells when a socket can be read, and on request when it can be written. Confined to its loop.
///
/// It watches a duplicate of the descriptor. libpq closes its socket by itself when the server has closed the connection;
/// the number may then be in use again, by any thread, while Dispatch still watches it for what it was.
final class SocketWatcher {
    private let loop: EventLoop
    private let descriptor: Int32
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
        self.loop = loop
        descriptor = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        reading = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: loop.queue)
        writing = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: loop.queue)
        let onRead: @Sendable () -> Void = { loop.enter(onReadable) }
        let onWrite: @Sendable () -> Void = { loop.enter(onWritable) }
        reading.setEventHandler(handler: onRead)
        writing.setEventHandler(handler: onWrite)
        reading.activate()
    }

    func watchWrites(_ isWanted: Bool) {
        guard isWanted != isWatchingWrites, !isClosed else { return }
        isWatchingWrites = isWanted
        // A dispatch source begins its life suspended, and so do we leave it whenever there is nothing to write.
        if isWanted {
            writing.resume()
        } else {
            writing.suspend()
        }
    }

    /// Leaves reading to somebody else for a while. The socket may be reported once more all the same.
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
    ///   - limit: Not for longer than this.
    ///   - goodbye: Called on the loop, soon: ends the session.
    ///   - completion: Called on the loop, when it is over.
    func close(
        atMost limit: Duration,
        goodbye: @escaping @Sendable () -> Void,
        completion: @escaping @Sendable () -> Void
    ) {
        guard !isClosed else { return }
        unpark()
        watchWrites(false)
        isClosed = true
        let (descriptor, loop) = (descriptor, loop)
        let (reading, writing) = (UncheckedTransfer(self.reading), UncheckedTransfer(self.writing))
        // One after the other: the descriptor may be closed when both have let go of it.
        let onWritingCancelled: @Sendable () -> Void = {
            closeDescriptor(descriptor)
            loop.enter(completion)
        }
        let onReadingCancelled: @Sendable () -> Void = {
            // A suspended source never delivers its cancellation, and must not be released either.
            writing.value.resume()
            writing.value.cancel()
        }
        let onReadable: @Sendable () -> Void = {
            if SessionEnd.isReached(descriptor) { reading.value.cancel() }
        }
        let onLimit: @Sendable () -> Void = { reading.value.cancel() }
        self.writing.setCancelHandler(handler: onWritingCancelled)
        self.reading.setCancelHandler(handler: onReadingCancelled)
        self.reading.setEventHandler(handler: onReadable)
        // Not now: its caller may be in the middle of using it.
        loop.submit {
            goodbye()
            // A server process that runs a statement may look whether its client has gone, and must not find it there.
            shutdown(descriptor, Int32(SHUT_WR))
            // What can be read already is not reported again.
            loop.queue.async(execute: onReadable)
        }
        loop.queue.asyncAfter(deadline: .now() + .milliseconds(Int(limit.whole(.milliseconds(1)))), execute: onLimit)
    }
}

/// The C function, which inside the class is hidden by its method.
private func closeDescriptor(_ descriptor: Int32) {
    _ = close(descriptor)
}
