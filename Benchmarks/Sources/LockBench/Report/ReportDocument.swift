import Foundation

/// Writes the output of a run into a Markdown file, between two markers.
enum ReportDocument {
    private static let start = "<!-- results of make bench: written by it, not by hand -->"
    private static let end = "<!-- end of the results -->"

    static func put(_ report: Report, into path: String) throws {
        let document = try String(contentsOfFile: path, encoding: .utf8)
        guard let changed = replacing(in: document, by: "```text\n\(ReportText(report).text)\n```") else {
            throw BenchError("\(path) lacks the lines \"\(start)\" and \"\(end)\", between which the results go.")
        }
        try changed.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// - Returns: The changed document; `nil` if it does not have both markers in this order.
    static func replacing(in document: String, by block: String) -> String? {
        guard let first = document.range(of: start),
            let last = document.range(of: end, range: first.upperBound..<document.endIndex)
        else { return nil }
        return document[..<first.upperBound] + "\n\n\(block)\n\n" + document[last.lowerBound...]
    }
}
