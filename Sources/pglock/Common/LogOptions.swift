import ArgumentParser
import Logging

/// The option for the library's log.
struct LogOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Log to standard error what happens.")
    var verbose = false

    /// Logs nothing by default, since the command uses standard error, too.
    var logger: Logger {
        guard verbose else { return Logger(label: "pglock") { _ in SwiftLogNoOpLogHandler() } }
        var logger = Logger(label: "pglock") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .debug
        return logger
    }
}
