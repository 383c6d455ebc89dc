/// What a worker tells: one line on its standard output.
enum WorkerReport: Equatable, Sendable {
    /// Connected, and waiting for the start.
    case ready
    case asking
    /// Has the lock, if there is one, since a moment, after waiting for it. In nanoseconds of ``DemoClock``.
    case working(since: Int64, waited: Int64)
    /// The addition has been committed.
    case added
    /// In the middle of its work, has read and not yet written, and stays there to be killed.
    case pausing
    /// Has the lock, with this fencing token.
    case holding(token: String)
    /// Has tried to write under the lock: whether it still believed in it, and whether the write got through.
    case wrote(isHeld: Bool, isAccepted: Bool)
    case failed(String)

    var line: String {
        switch self {
        case .ready: "ready"
        case .asking: "asking"
        case .working(let since, let waited): "working \(since) \(waited)"
        case .added: "added"
        case .pausing: "lingering"
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
        case "lingering": self = .pausing
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

/// What a worker is told: one line on its standard input.
enum WorkerOrder: String, Sendable {
    case go
    /// Stay in the middle of the next addition, to be killed there.
    case pause
    /// Finish the addition and end.
    case stop
}
