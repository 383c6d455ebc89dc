import Foundation

/// A report of a worker to the demonstration: one line on its standard output, in JSON.
enum WorkerReport: Codable, Equatable, Sendable {
    /// The worker is connected and waits for the order to start.
    case ready
    /// The worker requests the lock.
    case asking
    /// The worker began to work at this time, after waiting for the lock if there is one. All processes of the machine share the clock.
    case working(since: ContinuousClock.Instant, waited: Duration)
    /// The addition has been committed.
    case added
    /// The worker has read and not yet written, and waits to be killed.
    case pausing
    /// The process holds the lock with this fencing token.
    case holding(token: String)
    /// The process has tried to write under the lock: whether `isHeld` was true before, and whether the write was accepted.
    case wrote(isHeld: Bool, isAccepted: Bool)
    case failed(String)

    var line: String {
        get throws { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }
    }

    init(line: String) throws {
        self = try JSONDecoder().decode(WorkerReport.self, from: Data(line.utf8))
    }
}

/// An order to a worker: one line on its standard input.
enum WorkerOrder: String, Sendable {
    case go
    /// Wait between the read and the write of the next addition, to be killed there.
    case pause
    /// Finish the current addition and end.
    case stop
}
