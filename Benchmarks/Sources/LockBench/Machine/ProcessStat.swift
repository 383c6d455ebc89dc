import Foundation

/// The file `/proc/PID/stat` of a process.
struct ProcessStat: Equatable {
    let threads: Int
    /// The processor time of the process with all its threads, in seconds.
    let own: Double
    /// The processor time of its children that have ended.
    let endedChildren: Double

    init?(of process: Int32) {
        guard let text = ProcFile.text("/proc/\(process)/stat") else { return nil }
        self.init(parsing: text, ticksPerSecond: ProcFile.ticksPerSecond)
    }

    init?(parsing text: String, ticksPerSecond: Double) {
        // The second field is the name in parentheses, which may contain any characters.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(whereSeparator: \.isWhitespace).dropFirst().map { Double($0) ?? 0 }
        guard fields.count > 17 else { return nil }
        // `fields` begins with field 3. utime, stime, cutime and cstime are the fields 14 to 17, and field 20 is the number of threads.
        own = (fields[11] + fields[12]) / ticksPerSecond
        endedChildren = (fields[13] + fields[14]) / ticksPerSecond
        threads = Int(fields[17])
    }
}
