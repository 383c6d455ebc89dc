// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that whoever uses the library does not get the dependencies of its benchmarks.
//
// It builds the library's sources as targets of its own, through `Library`, a link to the folder `Sources` above it.
// What the library's modules share among themselves (`package`) is seen inside one package only; so the micro benchmarks
// measure the very sources that users get, without a wider interface made for their sake.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The library's targets. What they depend on is as in its own manifest.
let library: [Target] = [
    .systemLibrary(
        name: "CLibPQ",
        path: "Library/CLibPQ",
        pkgConfig: "libpq",
        providers: [.apt(["libpq-dev"]), .brew(["libpq"])]
    ),
    .systemLibrary(
        name: "CLibCrypto",
        path: "Library/CLibCrypto",
        pkgConfig: "libcrypto",
        providers: [.apt(["libssl-dev"]), .yum(["openssl-devel"])]
    ),
    .target(
        name: "LockCore",
        dependencies: [
            .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "HeapModule", package: "swift-collections"),
        ],
        path: "Library/LockCore",
        swiftSettings: settings
    ),
    .target(
        name: "LibPQ",
        dependencies: [
            "CLibPQ",
            .product(name: "DequeModule", package: "swift-collections"),
        ],
        path: "Library/LibPQ",
        swiftSettings: settings
    ),
    .target(
        name: "PostgresLock",
        dependencies: [
            .target(name: "CLibCrypto", condition: .when(platforms: [.linux])),
            "LibPQ",
            "LockCore",
            .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "Logging", package: "swift-log"),
        ],
        path: "Library/PostgresLock",
        swiftSettings: settings
    ),
    .target(name: "ChildProcesses", path: "Library/ChildProcesses", swiftSettings: settings),
    .target(
        name: "PostgresLockTesting",
        dependencies: ["ChildProcesses"],
        path: "Library/PostgresLockTesting",
        swiftSettings: settings
    ),
]

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "lock-bench", targets: ["lock-bench"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        // Without its traits: they interpose malloc and the runtime, which not every system's linker takes.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: library + [
        .executableTarget(
            name: "lock-bench",
            dependencies: [
                "ChildProcesses",
                "CLibPQ",
                "PostgresLock",
                "PostgresLockTesting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/LockBench",
            swiftSettings: settings
        ),
        .executableTarget(
            // Not shorter than 16 letters: while allocations are counted, Swift 6.3's runtime on Linux crashes on
            // retaining a string that is stored in its own words, and this name is retained.
            name: "PostgresLockBenchmarks",
            dependencies: [
                "LibPQ",
                "LockCore",
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/PostgresLockBenchmarks",
            swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
        .testTarget(name: "LockBenchTests", dependencies: ["lock-bench"], swiftSettings: settings),
    ]
)
