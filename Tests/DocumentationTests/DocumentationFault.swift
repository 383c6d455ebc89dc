import Testing

/// What is wrong in the documentation, and where.
struct DocumentationFault: Equatable, Sendable {
    let path: String
    let line: Int
    var column = 1
    let message: String

    /// Fails the test at this place.
    func record() {
        let file = path.split(separator: "/").last ?? "unknown"
        Issue.record(
            "\(message)",
            sourceLocation: SourceLocation(fileID: "Documentation/\(file)", filePath: path, line: line, column: column)
        )
    }
}
