/// A block of Swift in the documentation.
struct SwiftBlock: Equatable, Sendable {
    /// How a block is compiled.
    enum Kind: Equatable, Sendable {
        /// A whole program, or the code of a `main.swift`: it is compiled alone, as readers paste it.
        case program
        /// Types, extensions, functions and tests: a file of the page's module.
        case declarations
        /// The body of a function that has a lock manager, `locks`.
        case statements
        /// Declarations in a comment of the page, which its blocks need and readers don't.
        case hidden
    }

    /// The path of the page or source file.
    let path: String
    /// The line of the block's first line of code.
    let line: Int
    let code: String
    let kind: Kind

    init(path: String, line: Int, code: String, isHidden: Bool = false) {
        self.path = path
        self.line = line
        self.code = code
        kind = isHidden ? .hidden : Self.kind(of: code)
    }

    /// The modules that it imports.
    var imports: [Substring] {
        code.split(separator: "\n").filter { $0.hasPrefix("import ") }.map { $0.dropFirst("import ".count) }
    }

    private static func kind(of code: String) -> Kind {
        let lines = code.split(separator: "\n").filter { !$0.hasPrefix("//") }
        let hasImports = lines.contains { $0.hasPrefix("import ") }
        guard let first = lines.first(where: { !$0.hasPrefix("import ") }) else { return .declarations }
        if lines.contains(where: { $0.hasPrefix("@main") }) { return .program }
        if declarationBeginnings.contains(where: first.hasPrefix) { return .declarations }
        return hasImports ? .program : .statements
    }

    private static let declarationBeginnings = [
        "@", "public ", "private ", "final ", "struct ", "enum ", "class ", "actor ", "protocol ", "extension ", "func ", "typealias ",
    ]

    /// The text of a source file that consists of this block.
    ///
    /// - Parameters:
    ///   - modules: Imported besides those that the block itself imports.
    ///   - number: Tells the page's blocks apart.
    func source(importing modules: [String], number: Int) -> String {
        let location = "#sourceLocation(file: \"\(path)\", line: \(line))\n"
        guard kind != .program else { return location + code }
        let imports = modules.map { "import \($0)\n" }.joined()
        // Documentation leaves out what does not matter.
        let complete = code.replacing("…", with: "try await omitted()")
        guard kind == .statements else { return imports + location + complete }
        return """
            \(imports)func block\(number)(_ locks: LockManager) async throws {
            \(location)\(complete)
            #sourceLocation()
            }

            """
    }
}
