import Foundation

/// The documentation of this repository.
enum Documentation {
    /// The folder of these tests.
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    static let repository = folder.deletingLastPathComponent().deletingLastPathComponent()

    /// The modules that blocks may import, and that were not built with the tests.
    static var missingModules: Set<String> {
        var modules: Set<String> = []
        #if !ConfigurationSupport
            modules.insert("Configuration")
        #endif
        #if !DistributedTracingSupport
            modules.insert("Tracing")
        #endif
        #if !ServiceLifecycleSupport
            modules.insert("ServiceLifecycle")
        #endif
        return modules
    }

    /// All pages that have blocks of Swift, and the documentation comments of each target.
    static func pages() throws -> [DocumentationPage] {
        let pages = try markdownFiles().map { file in
            try DocumentationPage(name: name(of: file), text: String(contentsOf: file, encoding: .utf8), path: file.path)
        }
        let surroundings = try surroundings("DocumentationComments")
        let comments = try targets().map { target in
            let sources = try files(below: target, ending: "swift").map { ($0.path, try String(contentsOf: $0, encoding: .utf8)) }
            return DocumentationPage(target: target.lastPathComponent, sources: sources, surroundings: surroundings)
        }
        return (pages + comments).filter { page in !page.faults.isEmpty || page.blocks.contains { $0.kind != .hidden } }
    }

    /// Declarations that documentation uses without showing them.
    static func surroundings(_ name: String) throws -> SwiftBlock {
        let file = folder.appending(path: "Surroundings/\(name).swift")
        return SwiftBlock(path: file.path, line: 1, code: try String(contentsOf: file, encoding: .utf8), isHidden: true)
    }

    static func markdownFiles() throws -> [URL] {
        let top = try FileManager.default.contentsOfDirectory(at: repository, includingPropertiesForKeys: nil)
        let below = try ([repository.appending(path: "Docs")] + targets()).flatMap { try files(below: $0, ending: "md") }
        return top.filter { $0.pathExtension == "md" }.sorted { $0.path < $1.path } + below
    }

    static func targets() throws -> [URL] {
        let sources = repository.appending(path: "Sources")
        return try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil).sorted { $0.path < $1.path }
    }

    /// Not those of builds.
    static func files(below folder: URL, ending: String) throws -> [URL] {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil, options: .skipsHiddenFiles)
        let urls = files?.compactMap { $0 as? URL } ?? []
        return urls.filter { $0.pathExtension == ending }.sorted { $0.path < $1.path }
    }

    private static func name(of file: URL) -> String {
        String(file.path.dropFirst(repository.path.count + 1))
    }
}
