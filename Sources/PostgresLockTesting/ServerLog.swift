import Foundation

/// The server's log, a file beside its data directory.
struct ServerLog: Sendable {
    let path: String
    /// What must not be seen by anybody who reads the log.
    let secret: Secret?

    /// The log's length in bytes.
    var size: Int {
        var information = stat()
        return stat(path, &information) == 0 ? Int(information.st_size) : 0
    }

    /// Everything from a byte on.
    func text(from start: Int = 0) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw EphemeralPostgresError(
                .system,
                "The server's log \(path) can't be read. It is gone once the server has been removed."
            )
        }
        return masked(String(decoding: data.dropFirst(start), as: UTF8.self))
    }

    /// The last lines, if there are any.
    func tail(from start: Int) -> String? {
        guard let text = try? text(from: start) else { return nil }
        return text.split(separator: "\n").suffix(20).joined(separator: "\n")
    }

    /// The text with the secret masked.
    func masked(_ text: String) -> String {
        secret?.masked(in: text) ?? text
    }
}
