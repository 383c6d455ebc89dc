import Foundation
import Testing

#if os(Linux)
    @Suite("Swift in the documentation", .serialized)
    struct DocumentationTests {
        @Test("every block of Swift in the README, the articles and the documentation comments compiles")
        func compiles() async throws {
            let compiler = try await DocumentationCompiler()
            defer { compiler.remove() }
            for page in try Documentation.pages() where page.canBeCompiled {
                for fault in try await compiler.faults(in: page) { fault.record() }
            }
        }

        @Test("no page is left out", .enabled(if: Documentation.missingModules.isEmpty, "some traits are off; `make test` turns them on"))
        func complete() throws {
            #expect(try Documentation.pages().allSatisfy(\.canBeCompiled))
        }

        @Test("a block that does not compile is a fault at its file and line")
        func wrong() async throws {
            let compiler = try await DocumentationCompiler()
            defer { compiler.remove() }
            let text = """
                # Page

                <!-- swift
                func known() {}
                -->

                ```swift
                try await locks.withLock("a") { _ in … }
                known()
                ```

                1. In a list:

                   ```swift
                   try await locks.withLock("a") { _ in
                       unknown()
                   }
                   ```

                ```swift
                import PostgresLock

                let locks = try LockManager()
                known()
                ```
                """
            let faults = try await compiler.faults(in: DocumentationPage(name: "page", text: text, path: "/tmp/Page.md"))
            #expect(faults.map(\.path) == ["/tmp/Page.md", "/tmp/Page.md"])
            #expect(faults.map(\.line) == [16, 24])
            #expect(faults.map(\.message) == ["cannot find 'unknown' in scope", "cannot find 'known' in scope"])
        }
    }
#endif
