import Foundation

/// Writes the output of a run and its charts into a Markdown file, between two markers.
enum ReportDocument {
    private static let start = "<!-- results of make bench: written by it, not by hand -->"
    private static let end = "<!-- end of the results -->"

    /// - Parameters:
    ///   - path: The document.
    ///   - folder: The folder of the charts; `nil` if none were drawn.
    static func put(_ report: Report, into path: String, charts folder: String?) throws {
        let document = try String(contentsOfFile: path, encoding: .utf8)
        let blocks = ["```text\n\(ReportText(report).text)\n```"] + (folder.map { images(of: report, in: $0, for: path) } ?? [])
        guard let changed = replacing(in: document, by: blocks.joined(separator: "\n\n")) else {
            throw BenchError("\(path) lacks the lines \"\(start)\" and \"\(end)\", between which the results go.")
        }
        try changed.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private static func images(of report: Report, in folder: String, for document: String) -> [String] {
        let place = relative(folder, to: document)
        return ChartSet(report: report).charts.map { "![\($0.content.title): \($0.content.measure)](\(place)/\($0.name).svg)" }
    }

    /// A folder's path as links in a document need it. A folder elsewhere than beside the document, or in one beside it, keeps its path.
    static func relative(_ folder: String, to document: String) -> String {
        let parent = document.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/"
        return folder.hasPrefix(parent) ? String(folder.dropFirst(parent.count)) : folder
    }

    /// - Returns: The changed document; `nil` if it does not have both markers in this order.
    static func replacing(in document: String, by block: String) -> String? {
        guard let first = document.range(of: start),
            let last = document.range(of: end, range: first.upperBound..<document.endIndex)
        else { return nil }
        return document[..<first.upperBound] + "\n\n\(block)\n\n" + document[last.lowerBound...]
    }
}
