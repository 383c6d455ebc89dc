import CLibPQ

/// Receives a connection's notices, which libpq would otherwise print on standard error.
final class NoticeReceiver {
    private let handler: @Sendable (ServerError) -> Void
    /// Gets each notice before the handler, and returns whether the handler must not get it. Called while libpq reads.
    var intercept: ((ServerError) -> Bool)?

    init(_ handler: @escaping @Sendable (ServerError) -> Void) {
        self.handler = handler
    }

    /// The receiver must live as long as the connection, since libpq keeps the pointer.
    func attach(to connection: OpaquePointer) {
        PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, let result else { return }
                let receiver = Unmanaged<NoticeReceiver>.fromOpaque(context).takeUnretainedValue()
                receiver.receive(ServerError(result: result))
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    private func receive(_ notice: ServerError) {
        if intercept?(notice) != true { handler(notice) }
    }
}
