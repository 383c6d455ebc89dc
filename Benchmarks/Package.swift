// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that whoever uses the library does not get the dependencies of its benchmarks.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The library's package as SwiftPM knows it: by the last part of its path, made an identifier.
let library = Context.packageDirectory.split(separator: "/").dropLast().last.map { $0.lowercased() } ?? ""

/// Lets a micro benchmark see what the library's modules share among themselves (`package`), as if it were one of them.
/// So it measures the very modules that users get, and neither copies nor a wider interface made for its sake.
let insideTheLibrary: SwiftSetting = .unsafeFlags([
    "-package-name", String(library.map { $0.isLetter || $0.isNumber ? $0 : "_" }),
])

func microBenchmark(_ name: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: [
            .product(name: "Benchmark", package: "benchmark"),
            // Brings the inner modules with it.
            .product(name: "PostgresLock", package: library),
        ],
        path: "Benchmarks/\(name)",
        swiftSettings: settings + [insideTheLibrary],
        plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
    )
}

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "lock-bench", targets: ["lock-bench"])],
    dependencies: [
        .package(path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        // Without its traits: they interpose malloc and the runtime, which not every system's linker takes.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .systemLibrary(
            name: "CPostgres",
            pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"]), .brew(["libpq"])]
        ),
        .executableTarget(
            name: "lock-bench",
            dependencies: [
                "CPostgres",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "PostgresLock", package: library),
                .product(name: "PostgresLockTesting", package: library),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Sources/LockBench",
            swiftSettings: settings
        ),
        microBenchmark("LockTableBenchmarks"),
    ]
)
