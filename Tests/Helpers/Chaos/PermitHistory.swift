/// What several processes have told of the permits that they have used.
package struct PermitHistory: CustomStringConvertible, Sendable {
    /// A line of a `SemaphoreWorker`.
    package struct Line: Sendable {
        enum Event: String {
            case waits
            case has
            case ends
        }

        let event: Event
        let process: Int
        /// A task of one process.
        let task: String
        let permit: Int
        let time: UInt64

        /// - Parameter process: Any number of the process.
        package init?(_ text: String, of process: Int) {
            let words = text.split(separator: " ")
            guard let first = words.first, let event = Event(rawValue: String(first)), words.count == (event == .waits ? 3 : 4),
                let time = words.last.flatMap({ UInt64($0) })
            else { return nil }
            self.event = event
            self.process = process
            task = "\(process).\(words[1])"
            permit = event == .waits ? 0 : Int(words[2]) ?? 0
            self.time = time
        }
    }

    /// Permits that were given to a task before another one that had waited for longer.
    package struct Inversions: Sendable {
        package private(set) var count = 0
        /// By how much longer that one had waited, at most.
        private var longestLead: UInt64 = 0

        mutating func note(lead: UInt64) {
            count += 1
            longestLead = max(longestLead, lead)
        }

        fileprivate var text: String { count == 0 ? "0" : "\(count) (by \(longestLead / 1_000_000) ms at most)" }
    }

    /// Of two tasks of one process that come within this time of each other, either may be the first one.
    private static let sameTime: UInt64 = 5_000_000

    /// For so long the order is kept; then a task looks for permits that lie idle.
    private static let strictWait: UInt64 = 1_000_000_000

    /// The most permits in use at a time.
    package private(set) var most = 0
    /// Permits that two tasks had at a time.
    package private(set) var doubled: [Int] = []
    /// How many permits were given out.
    package private(set) var count = 0
    /// Where a task of the same process had waited for longer, by more than ``sameTime``; where a task of another process had; and those of both
    /// in which that one had waited for more than a second.
    package private(set) var inProcess = Inversions()
    package private(set) var betweenProcesses = Inversions()
    package private(set) var late = Inversions()
    /// While tasks waited, from the first permit on: the time, and the time of permits in use.
    private var contended: UInt64 = 0
    private var used: UInt64 = 0
    private let limit: Int

    package init(_ lines: [Line], limit: Int) {
        self.limit = limit
        var waiting: [String: Line] = [:]
        var inUse: [Int] = []
        var last: UInt64?
        for line in lines.sorted(by: { ($0.time, $0.event == .ends ? 0 : 1) < ($1.time, $1.event == .ends ? 0 : 1) }) {
            // Before the first permit the processes connect.
            if let last, count > 0, !waiting.isEmpty {
                contended += line.time - last
                used += (line.time - last) * UInt64(inUse.count)
            }
            last = line.time
            switch line.event {
            case .waits:
                waiting[line.task] = line
            case .has:
                count += 1
                let since = waiting.removeValue(forKey: line.task)?.time ?? line.time
                noteInversion(of: line, since: since, waiting.values)
                if inUse.contains(line.permit) { doubled.append(line.permit) }
                inUse.append(line.permit)
                most = max(most, inUse.count)
            case .ends:
                inUse.removeAll { $0 == line.permit }
            }
        }
    }

    /// How much of the permits was in use while any task waited, in percent; `nil` if none ever waited.
    package var percentInUse: Double? {
        contended == 0 ? nil : Double(used) / Double(contended) / Double(limit) * 100
    }

    private mutating func noteInversion(of line: Line, since: UInt64, _ waiting: some Sequence<Line>) {
        let earlier = waiting.filter { $0.time < since }
        guard let earliest = earlier.map(\.time).min() else { return }
        if let own = earlier.filter({ $0.process == line.process }).map(\.time).min() {
            if since - own > Self.sameTime { inProcess.note(lead: since - own) }
        } else {
            betweenProcesses.note(lead: since - earliest)
        }
        if line.time - earliest > Self.strictWait { late.note(lead: since - earliest) }
    }

    package var description: String {
        let part = percentInUse.map { "\(Double(Int(($0 * 10).rounded())) / 10) %" } ?? "no part"
        return """
            \(count) given out, \(most) at a time at most; in use \(part) of the time in which tasks waited; \
            before a task that had waited longer: \(inProcess.text) in one process, \(betweenProcesses.text) between processes, \
            \(late.text) of both after it had waited for a second
            """
    }
}
