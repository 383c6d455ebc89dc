package import Foundation

/// A worker's own record. Each line is written at once and as one piece: the process may be killed at any moment.
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
        // One `write` to a file opened for appending: lines of several threads don't mix.
        try? file.write(contentsOf: line)
    }

    /// The whole lines in `data`, from `offset` on, which is moved behind them. What a killed process left unfinished is no line.
    package static func events(in data: Data) throws -> (events: [ChaosEvent], size: Int) {
        guard let end = data.lastIndex(of: 10) else { return ([], 0) }
        let whole = data[data.startIndex...end]
        let decoder = JSONDecoder()
        let events = try whole.split(separator: 10).map { try decoder.decode(ChaosEvent.self, from: $0) }
        return (events, whole.count)
    }
}
