import CoreMetrics
import Logging

/// Stands in for a metrics backend: writes each value to the log.
struct LogMetrics: MetricsFactory {
    let logger: Logger

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { metric(label, dimensions) }
    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { metric(label, dimensions) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler { metric(label, dimensions) }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { metric(label, dimensions) }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private func metric(_ label: String, _ dimensions: [(String, String)]) -> Metric {
        var logger = logger
        logger[metadataKey: "metric"] = "\(label)"
        for (name, value) in dimensions { logger[metadataKey: name] = "\(value)" }
        return Metric(logger: logger)
    }
}

/// One metric of any type.
private final class Metric: CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func increment(by amount: Int64) { write("+\(amount)") }
    func increment(by amount: Double) { write("+\(amount)") }
    func decrement(by amount: Double) { write("-\(amount)") }
    func set(_ value: Int64) { write("\(value)") }
    func set(_ value: Double) { write("\(value)") }
    func record(_ value: Int64) { write("\(value)") }
    func record(_ value: Double) { write("\(value)") }
    func recordNanoseconds(_ duration: Int64) { write("\(Double(duration) / 1e9) s") }
    func reset() {}

    private func write(_ value: String) {
        logger.info("metric", metadata: ["value": "\(value)"])
    }
}
