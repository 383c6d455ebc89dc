import ArgumentParser
import Logging

/// How much is told about what happens.
struct LogOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Tell on standard error what happens.")
    var verbose = false

    /// Silent by default, since standard error is the command's too.
    var logger: Logger {
        guard verbose else { return Logger(label: "pglock") { _ in SwiftLogNoOpLogHandler() } }
        var logger = Logger(label: "pglock") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .debug
        return logger
    }
}
