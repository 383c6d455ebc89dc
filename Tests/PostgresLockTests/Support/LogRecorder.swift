import LibPQ
import Logging

/// A log handler that keeps its lines.
struct LogRecorder: LogHandler {
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        /// The logger's and the line's.
        let metadata: Logger.Metadata
        /// Whether the line has metadata of its own, and these are empty.
        var hasEmptyMetadata = false
    }

    final class Lines: Sendable {
        private let lines = Locked<[Line]>([])

        var all: [Line] { lines.withLock { $0 } }

        func append(_ line: Line) {
            lines.withLock { $0.append(line) }
        }
    }

    let lines = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    var logger: Logger { Logger(label: "test") { _ in self } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.append(
            Line(
                level: event.level,
                message: "\(event.message)",
                metadata: metadata.merging(event.metadata ?? [:]) { $1 },
                hasEmptyMetadata: event.metadata?.isEmpty ?? false
            )
        )
    }
}
