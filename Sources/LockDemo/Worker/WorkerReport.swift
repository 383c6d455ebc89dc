/// A report of a worker to the demonstration: one line on its standard output.
enum WorkerReport: Equatable, Sendable {
    /// The worker is connected and waits for the order to start.
    case ready
    /// The worker requests the lock.
    case asking
    /// The worker began to work at this time, after waiting for the lock if there is one. In nanoseconds of ``DemoClock``.
    case working(since: Int64, waited: Int64)
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
        switch self {
        case .ready: "ready"
        case .asking: "asking"
        case .working(let since, let waited): "working \(since) \(waited)"
        case .added: "added"
        case .pausing: "pausing"
        case .holding(let token): "holding \(token)"
        case .wrote(let isHeld, let isAccepted): "wrote \(isHeld) \(isAccepted)"
        case .failed(let message): "failed \(message)"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ", maxSplits: 1)
        let rest = words.count > 1 ? String(words[1]) : ""
        switch words.first {
        case "ready": self = .ready
        case "asking": self = .asking
        case "added": self = .added
        case "pausing": self = .pausing
        case "holding": self = .holding(token: rest)
        case "wrote":
            let answers = rest.split(separator: " ").compactMap { Bool(String($0)) }
            guard answers.count == 2 else { return nil }
            self = .wrote(isHeld: answers[0], isAccepted: answers[1])
        case "failed": self = .failed(rest)
        case "working":
            let numbers = rest.split(separator: " ").compactMap { Int64($0) }
            guard numbers.count == 2 else { return nil }
            self = .working(since: numbers[0], waited: numbers[1])
        default: return nil
        }
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
