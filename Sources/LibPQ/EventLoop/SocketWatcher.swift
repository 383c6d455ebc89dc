import Dispatch

/// Tells when a socket can be read, and on request when it can be written. Confined to its loop.
final class SocketWatcher {
    private let reading: any DispatchSourceRead
    private let writing: any DispatchSourceWrite
    private var isWatchingWrites = false
    private var isClosed = false

    init(
        socket: Int32,
        on loop: EventLoop,
        onReadable: @escaping @Sendable () -> Void,
        onWritable: @escaping @Sendable () -> Void
    ) {
        reading = DispatchSource.makeReadSource(fileDescriptor: socket, queue: loop.queue)
        writing = DispatchSource.makeWriteSource(fileDescriptor: socket, queue: loop.queue)
        let onRead: @Sendable () -> Void = {
            onReadable()
            loop.endBurst()
        }
        let onWrite: @Sendable () -> Void = {
            onWritable()
            loop.endBurst()
        }
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

    /// Stops watching, then calls `completion` on the loop. Not before may the descriptor be closed: Dispatch would
    /// watch whatever is opened next under the same number.
    func close(completion: @escaping @Sendable () -> Void) {
        guard !isClosed else { return }
        isClosed = true
        // A suspended source never delivers its cancellation, and must not be released either.
        if !isWatchingWrites { writing.resume() }
        let last = writing
        let first = reading
        let onWritingCancelled: @Sendable () -> Void = { completion() }
        let afterReading = UncheckedTransfer(last)
        let onReadingCancelled: @Sendable () -> Void = { afterReading.value.cancel() }
        last.setCancelHandler(handler: onWritingCancelled)
        first.setCancelHandler(handler: onReadingCancelled)
        first.cancel()
    }
}

/// Carries a value into a handler of the loop that the value is confined to.
struct UncheckedTransfer<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
