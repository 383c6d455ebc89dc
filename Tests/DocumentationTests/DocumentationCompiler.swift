import ChildProcesses
import Foundation

/// Typechecks blocks against the modules that were built with the tests.
struct DocumentationCompiler {
    /// The folder of the modules.
    private let products: URL
    /// For the files that are compiled. Removed by ``remove()``.
    private let folder: URL
    private let arguments: [String]

    init() async throws {
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
        let tests = bundle?.bundleURL ?? URL(fileURLWithPath: CommandLine.arguments[0]).absoluteURL
        products = tests.deletingLastPathComponent()
        folder = FileManager.default.temporaryDirectory.appending(path: "pglock-documentation-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        arguments = try await Self.arguments(products: products, folder: folder)
        try await makeStub(of: "PostgresNIO")
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// The errors and warnings in a page's blocks.
    func faults(in page: DocumentationPage) async throws -> [DocumentationFault] {
        var faults = page.faults
        let common = try Documentation.surroundings("Common")
        let files = page.files + [common]
        if !page.files.isEmpty {
            let sources = files.enumerated().map { number, block in block.source(importing: page.imports, number: number) }
            faults += try await typecheck(sources, ["-parse-as-library"])
        }
        for program in page.programs {
            let isLibrary = program.code.contains("@main")
            faults += try await typecheck([program.source(importing: [], number: 0)], isLibrary ? ["-parse-as-library"] : [])
        }
        return faults
    }

    private func typecheck(_ sources: [String], _ options: [String]) async throws -> [DocumentationFault] {
        let module = folder.appending(path: "\(UUID())")
        try FileManager.default.createDirectory(at: module, withIntermediateDirectories: true)
        let paths = try sources.enumerated().map { number, source in
            // Statements outside of a function are code only in a file of this name.
            let file = module.appending(path: options.isEmpty ? "main.swift" : "Block\(number).swift")
            try source.write(to: file, atomically: false, encoding: .utf8)
            return file.path
        }
        let result = try await run(["-typecheck", "-module-name", "Documentation"] + options + paths)
        let faults = result.error.split(separator: "\n").compactMap(Self.fault)
        guard faults.isEmpty, !result.succeeded else { return faults }
        throw CompilerFailure(output: result.error)
    }

    /// Compiles a module of declarations that stand for a package that this one does not depend on.
    private func makeStub(of module: String) async throws {
        let result = try await run([
            "-emit-module", "-parse-as-library", "-module-name", module,
            "-emit-module-path", folder.appending(path: "\(module).swiftmodule").path,
            Documentation.folder.appending(path: "Stubs/\(module).swift").path,
        ])
        guard result.succeeded else { throw CompilerFailure(output: result.error) }
    }

    /// At low priority: other tests measure times meanwhile.
    private func run(_ options: [String]) async throws -> CapturedProcess.Result {
        try await CapturedProcess(["/usr/bin/env", "nice", "-n", "10", "swiftc"] + arguments + options).finish()
    }

    /// What all compilations need: the language mode of a user's package, and the modules, with the C modules that they import.
    private static func arguments(products: URL, folder: URL) async throws -> [String] {
        var arguments = [
            "-swift-version", "6", "-diagnostic-style", "llvm",
            "-I", folder.path, "-I", products.appending(path: "Modules").path,
            // Not that of the build, whose modules are bound to the path at which it was made.
            "-module-cache-path", folder.appending(path: "ModuleCache").path,
        ]
        let search = "pkg-config --cflags-only-I libpq libcrypto 2>/dev/null || echo -I$(pg_config --includedir 2>/dev/null)"
        let flags = try await CapturedProcess(["/bin/sh", "-c", search]).finish().output
        arguments += flags.split { $0.isWhitespace }.map(String.init)
        // The products are in a folder of their system and configuration.
        let checkouts = products.deletingLastPathComponent().deletingLastPathComponent().appending(path: "checkouts")
        for folder in [Documentation.repository, checkouts] {
            for map in try moduleMaps(below: folder) { arguments += ["-Xcc", "-fmodule-map-file=\(map)"] }
        }
        return arguments
    }

    /// Those of the C targets of a package, or of a folder of packages.
    private static func moduleMaps(below folder: URL) throws -> [String] {
        let files = FileManager.default
        let isPackage = files.fileExists(atPath: folder.appending(path: "Package.swift").path)
        let packages = isPackage ? [folder] : try files.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return packages.flatMap { package in
            let sources = package.appending(path: "Sources")
            let targets = (try? files.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)) ?? []
            return targets.flatMap { ["\($0.path)/module.modulemap", "\($0.path)/include/module.modulemap"] }
        }
        .filter { files.fileExists(atPath: $0) }
    }

    /// Reads `path:line:column: error: message`. That a fragment does not use its variables is no fault.
    private static func fault(_ line: Substring) -> DocumentationFault? {
        let pattern = /(.+?):([0-9]+):([0-9]+): (error|warning): (.*)/
        guard let match = line.wholeMatch(of: pattern), let number = Int(match.2), let column = Int(match.3) else { return nil }
        let message = String(match.5)
        let isAboutUse = ["never used", "never read", "never mutated", "is unused"].contains { message.contains($0) }
        guard match.4 == "error" || !isAboutUse else { return nil }
        return DocumentationFault(path: String(match.1), line: number, column: column, message: message)
    }
}

/// The compiler has failed in a way that is not about the documentation.
private struct CompilerFailure: Error {
    let output: String
}
