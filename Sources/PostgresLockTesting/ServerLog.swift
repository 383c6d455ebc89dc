import Foundation

/// The server's log, a file beside its data directory.
struct ServerLog: Sendable {
    let path: String
    /// The password, which is masked in all texts from the log.
    let secret: Secret?

    /// The log's length in bytes.
    var size: Int {
        var information = stat()
        return stat(path, &information) == 0 ? Int(information.st_size) : 0
    }

    /// The text from a byte offset to the end.
    func text(from start: Int = 0) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw EphemeralPostgresError(
                .system,
                "The server's log \(path) can't be read. Removing the server deletes it."
            )
        }
        return masked(String(decoding: data.dropFirst(start), as: UTF8.self))
    }

    /// The last 20 lines after a byte offset, or nil if the log can't be read.
    func tail(from start: Int) -> String? {
        guard let text = try? text(from: start) else { return nil }
        return text.split(separator: "\n").suffix(20).joined(separator: "\n")
    }

    /// The text with the secret masked.
    func masked(_ text: String) -> String {
        secret?.masked(in: text) ?? text
    }
}
