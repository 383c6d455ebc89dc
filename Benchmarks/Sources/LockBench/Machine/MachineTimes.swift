import Foundation

/// The times of the machine's processors since its start, in seconds.
struct MachineTimes {
    /// The time that all processors together spent in programs and in the kernel on their behalf. Without the time of interrupts,
    /// which belongs to no process.
    let busy: Double
    /// The time that the hypervisor gave to other virtual machines although this one had work.
    let stolen: Double

    /// The times now; `nil` on systems without `/proc`.
    static func now() -> MachineTimes? {
        guard let line = ProcFile.text("/proc/stat")?.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        // cpu user nice system idle iowait irq softirq steal …
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard ticks.count >= 8 else { return nil }
        return MachineTimes(busy: (ticks[0] + ticks[1] + ticks[2]) / ProcFile.ticksPerSecond, stolen: ticks[7] / ProcFile.ticksPerSecond)
    }
}
