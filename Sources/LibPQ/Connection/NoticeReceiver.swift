import CLibPQ

/// Takes a connection's notices, which libpq would otherwise print on standard error.
final class NoticeReceiver {
    private let handler: @Sendable (ServerError) -> Void
    /// The message that announced the session's end, when it arrived as a mere notice.
    private(set) var lastWords: ServerError?
    /// Whether what is being answered is a wait that says by a message what it has come to. Anything else may send such a message
    /// too, like a trigger, and then it means nothing.
    var isWaitAnswered = false
    /// What the last such wait has come to, and the error that has ended it.
    private var waitOutcome: (outcome: WaitOutcome, message: String?)?

    init(_ handler: @escaping @Sendable (ServerError) -> Void) {
        self.handler = handler
    }

    /// The receiver must live as long as the connection: libpq keeps the pointer.
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

    /// What a wait has come to since this was asked last.
    func takeWaitOutcome() -> (outcome: WaitOutcome, message: String?)? {
        defer { waitOutcome = nil }
        return waitOutcome
    }

    private func receive(_ notice: ServerError) {
        if isWaitAnswered, let outcome = WaitOutcome(notice) {
            waitOutcome = (outcome, notice.detail)
            return
        }
        if notice.endsSession { lastWords = notice }
        handler(notice)
    }
}
