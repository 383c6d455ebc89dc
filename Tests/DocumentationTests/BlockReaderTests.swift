import Foundation
import Testing

@Suite("finding Swift in documentation")
struct BlockReaderTests {
    private func page(_ text: String) -> DocumentationPage {
        DocumentationPage(name: "page", text: text, path: "Page.md")
    }

    @Test("no fence of Swift in the repository is left out")
    func complete() throws {
        let sources = try Documentation.targets().flatMap { try Documentation.files(below: $0, ending: "swift") }
        let files = try Documentation.markdownFiles() + sources
        let fences = try files.reduce(0) { count, file in
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            return count + lines.count { $0.drop { " /".contains($0) } == "```swift" }
        }
        let blocks = try Documentation.pages().flatMap(\.blocks).filter { $0.kind != .hidden }
        #expect(blocks.count == fences)
        #expect(fences > 40)
    }

    @Test(
        "a block is compiled as what its first line says",
        arguments: [
            ("import PostgresLock\n\n@main\nstruct Program {}", SwiftBlock.Kind.program),
            ("import PostgresLock\n\nstruct Worker {}\n\n@main\nstruct Program {}", .program),
            ("import PostgresLock\n\nlet locks = try LockManager()", .program),
            ("import PostgresNIO\n\nextension PostgresConnection: LockConnection {}", .declarations),
            ("/// Documented.\nfunc status() -> Int { 1 }", .declarations),
            ("@Test(\"taken\")\nfunc taken() {}", .declarations),
            ("try await locks.withLock(\"a\") { _ in }", .statements),
            ("let lock = try await locks.acquire(\"a\")\nfunc use() {}", .statements),
        ]
    )
    func kinds(code: String, kind: SwiftBlock.Kind) {
        #expect(page("```swift\n\(code)\n```\n").blocks.map(\.kind) == [kind])
    }

    @Test("a documentation comment's block has the line that it has in its source file")
    func comments() throws {
        let source = """
            import A

            extension B {
                /// Does it.
                ///
                /// ```swift
                /// try await locks
                ///     .shutdown()
                /// ```
                func c() {}
            }
            """
        let surroundings = SwiftBlock(path: "S.swift", line: 1, code: "", isHidden: true)
        let page = DocumentationPage(target: "B", sources: [("B.swift", source)], surroundings: surroundings)
        #expect(page.blocks.dropFirst() == [SwiftBlock(path: "B.swift", line: 7, code: "try await locks\n    .shutdown()")])
    }

    @Test("Swift in a block without a language, and a block without an end, are faults")
    func faults() {
        #expect(page("```\nmake\ntry await locks.shutdown()\n```").faults.map(\.line) == [3])
        #expect(page("text\n\n```swift\nlet a = 1\n").faults.map(\.line) == [3])
        #expect(page("<!-- swift\nfunc a() {}\n").faults.map(\.line) == [1])
        #expect(page("```\nmake test\n```\n\n```sql\nSELECT 1\n```").faults.isEmpty)
    }
}
