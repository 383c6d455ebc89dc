import Foundation

/// What the machine's processors have done since it was started, in seconds.
struct MachineTimes {
    /// Spent in programs and in the kernel on their behalf, of all processors together. Without interrupts, which are
    /// nobody's.
    let busy: Double
    /// What the hypervisor gave to other machines although this one had work.
    let stolen: Double

    /// `nil` on systems without `/proc`.
    static func now() -> MachineTimes? {
        guard let line = ProcFile.text("/proc/stat")?.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        // cpu user nice system idle iowait irq softirq steal …
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard ticks.count >= 8 else { return nil }
        return MachineTimes(busy: (ticks[0] + ticks[1] + ticks[2]) / ProcFile.ticksPerSecond, stolen: ticks[7] / ProcFile.ticksPerSecond)
    }
}
