/// A page of the documentation, or the documentation comments of a target. Its blocks are compiled as one module.
struct DocumentationPage: Sendable {
    /// Below the repository.
    let name: String
    let blocks: [SwiftBlock]
    /// Imported by every block: what one of them imports, and the library that the page is about.
    let imports: [String]
    /// What is wrong with the page itself.
    let faults: [DocumentationFault]

    /// - Parameters:
    ///   - text: Markdown.
    ///   - path: Of the file that it is from.
    init(name: String, text: String, path: String) {
        var reader = BlockReader(path: path)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) { reader.read(line) }
        reader.end()
        self.init(name: name, blocks: reader.blocks, module: "PostgresLock", faults: reader.faults)
    }

    /// The documentation comments of a target's source files. They have the declarations of `surroundings`, since a comment has no place for its own.
    init(target: String, sources: [(path: String, text: String)], surroundings: SwiftBlock) {
        let pages = sources.map { path, text in
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(Self.comment)
            return DocumentationPage(name: path, text: lines.joined(separator: "\n"), path: path)
        }
        let blocks = [surroundings] + pages.flatMap(\.blocks)
        self.init(name: "comments of \(target)", blocks: blocks, module: target, faults: pages.flatMap(\.faults))
    }

    private init(name: String, blocks: [SwiftBlock], module: String, faults: [DocumentationFault]) {
        (self.name, self.blocks, self.faults) = (name, blocks, faults)
        let files = blocks.filter { $0.kind != .program }
        // Each file has a lock manager.
        imports = Set(files.flatMap(\.imports).map(String.init)).union(["PostgresLock", module]).sorted()
    }

    /// The text of a line of a documentation comment; of any other line, nothing.
    private static func comment(_ line: Substring) -> Substring {
        let text = line.drop { $0 == " " }
        guard text.hasPrefix("///") else { return "" }
        let comment = text.dropFirst(3)
        return comment.hasPrefix(" ") ? comment.dropFirst() : comment
    }

    /// Whether all modules that it needs were built with the tests.
    var canBeCompiled: Bool { !blocks.contains { !Documentation.missingModules.isDisjoint(with: $0.imports.map(String.init)) } }

    /// Whole programs, each of which is compiled alone.
    var programs: [SwiftBlock] { blocks.filter { $0.kind == .program } }

    /// The files of the page's module.
    var files: [SwiftBlock] { blocks.filter { $0.kind != .program } }
}
