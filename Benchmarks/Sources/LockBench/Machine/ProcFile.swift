import Foundation

/// Reads files in `/proc`, whose size is given as 0, so they have to be read to the end.
enum ProcFile {
    static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    static func text(_ path: String) -> String? {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// The resident memory of this process, in bytes.
    static func residentMemory() -> Double? {
        let fields = text("/proc/self/statm")?.split(separator: " ")
        return fields.flatMap { $0.count > 1 ? Double($0[1]) : nil }.map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) }
    }

    /// The one-minute load average.
    static func load() -> Double? {
        text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) }
    }

    /// The processor's name.
    static func processor() -> String? {
        text("/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("model name") }?
            .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    }
}
