/// What several processes have told of the permits that they have used.
struct PermitHistory: CustomStringConvertible {
    /// A line of a `SemaphoreWorker`.
    struct Line {
        enum Event: String {
            case waits
            case has
            case ends
        }

        let event: Event
        /// A task of one process.
        let task: String
        let permit: Int
        let time: UInt64

        init?(_ text: String, of process: Int) {
            let words = text.split(separator: " ")
            guard let first = words.first, let event = Event(rawValue: String(first)), words.count == (event == .waits ? 3 : 4),
                let time = words.last.flatMap({ UInt64($0) })
            else { return nil }
            self.event = event
            task = "\(process).\(words[1])"
            permit = event == .waits ? 0 : Int(words[2]) ?? 0
            self.time = time
        }
    }

    /// The most permits in use at a time.
    private(set) var most = 0
    /// Permits that two tasks had at a time.
    private(set) var doubled: [Int] = []
    /// How many permits were given out.
    private(set) var count = 0
    /// Those of them that were given to a task before another one that had waited for longer.
    private var overtakings = 0
    /// By how much longer that one had waited, at most.
    private var longestLead: UInt64 = 0
    /// While tasks waited: the time, and the time of permits in use.
    private var contended: UInt64 = 0
    private var used: UInt64 = 0
    private let limit: Int

    init(_ lines: [Line], limit: Int) {
        self.limit = limit
        var waiting: [String: UInt64] = [:]
        var inUse: [Int] = []
        var last: UInt64?
        for line in lines.sorted(by: { ($0.time, $0.event == .ends ? 0 : 1) < ($1.time, $1.event == .ends ? 0 : 1) }) {
            // At the end the processes have nothing to do any more.
            if let last, waiting.count >= limit {
                contended += line.time - last
                used += (line.time - last) * UInt64(inUse.count)
            }
            last = line.time
            switch line.event {
            case .waits:
                waiting[line.task] = line.time
            case .has:
                count += 1
                let since = waiting.removeValue(forKey: line.task) ?? line.time
                if let earliest = waiting.values.min(), earliest < since {
                    overtakings += 1
                    longestLead = max(longestLead, since - earliest)
                }
                if inUse.contains(line.permit) { doubled.append(line.permit) }
                inUse.append(line.permit)
                most = max(most, inUse.count)
            case .ends:
                inUse.removeAll { $0 == line.permit }
            }
        }
    }

    var description: String {
        let part = contended == 0 ? 0 : Double(used) / Double(contended) / Double(limit) * 100
        return """
            \(count) given out, \(most) at a time at most; in use \(Int((part * 10).rounded()) / 10) % of the time in which tasks waited; \
            \(overtakings) before a task that had waited longer, by \(longestLead / 1_000_000) ms at most
            """
    }
}
