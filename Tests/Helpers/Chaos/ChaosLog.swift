package import Foundation

/// The log file of one worker. Each line is written immediately and by one call, because the process may be killed at any moment.
package final class ChaosLog: Sendable {
    private let file: FileHandle

    package init(path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        guard descriptor >= 0 else { throw CocoaError(.fileNoSuchFile) }
        file = FileHandle(fileDescriptor: descriptor)
    }

    package func note(_ kind: ChaosEvent.Kind, at time: Int64 = ChaosClock.now) {
        guard var line = try? JSONEncoder().encode(ChaosEvent(time: time, kind)) else { return }
        line.append(10)
        // The file is opened for appending and each line is one `write`, so lines of several threads don't mix.
        try? file.write(contentsOf: line)
    }

    /// Decodes the complete lines in `data`. A killed process may have left an unfinished last line, which is not read.
    ///
    /// - Returns: The events, and the size of the complete lines in bytes.
    package static func events(in data: Data) throws -> (events: [ChaosEvent], size: Int) {
        guard let end = data.lastIndex(of: 10) else { return ([], 0) }
        let whole = data[data.startIndex...end]
        let decoder = JSONDecoder()
        let events = try whole.split(separator: 10).map { try decoder.decode(ChaosEvent.self, from: $0) }
        return (events, whole.count)
    }
}
