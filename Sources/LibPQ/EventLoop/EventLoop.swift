import Dispatch

/// A serial executor over a Dispatch queue, on which sockets and timers report too.
///
/// An actor that is pinned to it can enter its own isolation from a Dispatch handler with `assumeIsolated`, without a
/// further hop. Jobs that arrive while the queue is at work are run in the same burst, so that a thousand tasks cost one
/// `async` and not a thousand; each burst ends with the burst handler, which is where what has come together is sent.
package final class EventLoop: SerialExecutor, Sendable {
    private enum Item {
        case job(UnownedJob)
        case body(@Sendable () -> Void)
    }

    private struct Inbox {
        var items: [Item] = []
        var isScheduled = false
    }

    /// A struct around the closure: see ``Locked``.
    private struct BurstHandler {
        var body: (@Sendable () -> Void)?
    }

    let queue: DispatchQueue
    private let inbox = Locked(Inbox())
    private let burstHandler = Locked(BurstHandler())

    package init(label: String) {
        queue = DispatchQueue(label: label)
    }

    /// Sets what ends every burst. It is called on the loop.
    package func onBurstEnd(_ handler: @escaping @Sendable () -> Void) {
        burstHandler.withLock { $0.body = handler }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    /// Runs `body` on the loop, behind what is already there.
    package func execute(_ body: @escaping @Sendable () -> Void) {
        add(.body(body))
    }

    package func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }

    /// For a handler of a socket or timer, after it has done its work: sends what it has caused.
    func endBurst() {
        burstHandler.withLock { $0.body }?()
    }

    private func add(_ item: Item) {
        let mustSchedule = inbox.withLock { inbox in
            inbox.items.append(item)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        if mustSchedule {
            queue.async { self.drain() }
        }
    }

    private func drain() {
        // A bounded number of rounds: jobs that keep coming must not keep the burst from its end, or sockets waiting.
        for _ in 0..<4 {
            let items = inbox.withLock { inbox in
                let items = inbox.items
                inbox.items = []
                if items.isEmpty { inbox.isScheduled = false }
                return items
            }
            guard !items.isEmpty else {
                endBurst()
                return
            }
            for item in items {
                switch item {
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                case .body(let body): body()
                }
            }
        }
        endBurst()
        queue.async { self.drain() }
    }
}
