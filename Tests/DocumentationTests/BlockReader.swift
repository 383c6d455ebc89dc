/// Finds the blocks of Swift in Markdown, line by line.
///
/// A block begins by a fence with the language `swift`. A comment that begins by `<!-- swift` holds declarations that the page's blocks need
/// and that readers don't see.
struct BlockReader {
    private enum State {
        case text
        case block(indentation: Int, firstLine: Int, isSwift: Bool)
        case comment(firstLine: Int)
    }

    let path: String
    private(set) var blocks: [SwiftBlock] = []
    private(set) var faults: [DocumentationFault] = []
    private var state = State.text
    private var number = 0
    private var lines: [Substring] = []

    init(path: String) { self.path = path }

    mutating func read(_ line: Substring) {
        number += 1
        let text = line.drop { $0 == " " }
        switch state {
        case .text:
            lines = []
            if text.hasPrefix("```") {
                let indentation = line.count - text.count
                state = .block(indentation: indentation, firstLine: number + 1, isSwift: text == "```swift")
            } else if line == "<!-- swift" {
                state = .comment(firstLine: number + 1)
            }
        case .block(let indentation, let firstLine, let isSwift):
            guard text == "```" else { return lines.append(line.dropFirst(min(indentation, line.count - text.count))) }
            end(firstLine, isSwift: isSwift)
        case .comment(let firstLine):
            guard line == "-->" else { return lines.append(line) }
            blocks.append(SwiftBlock(path: path, line: firstLine, code: code, isHidden: true))
            state = .text
        }
    }

    private mutating func end(_ firstLine: Int, isSwift: Bool) {
        if isSwift {
            blocks.append(SwiftBlock(path: path, line: firstLine, code: code))
        } else if let offset = lines.firstIndex(where: { $0.contains("try await") || $0.hasPrefix("import Postgres") }) {
            let message = "Swift in a block without the language `swift`"
            faults.append(DocumentationFault(path: path, line: firstLine + offset, message: message))
        }
        state = .text
    }

    /// The text has ended.
    mutating func end() {
        switch state {
        case .text: break
        case .block(_, let line, _), .comment(let line):
            faults.append(DocumentationFault(path: path, line: line - 1, message: "a block or comment that does not end"))
        }
    }

    private var code: String { lines.joined(separator: "\n") }
}
