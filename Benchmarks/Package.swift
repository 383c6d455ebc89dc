// swift-tools-version: 6.2

import PackageDescription

// The benchmarks are a separate package, so that users of the library don't get their dependencies.
//
// It builds the library's sources as targets of its own, through `Library`, a link to the folder `Sources` of the library.
// Declarations with `package` access are visible only within one package. This way the micro benchmarks can use them, and the
// library need not make them public.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The library's traits that are on by default. With BENCHMARK_TRAITS=none in the environment none is on, to find out what they cost.
let traits: [SwiftSetting] =
    Context.environment["BENCHMARK_TRAITS"] == "none" ? [] : [.define("DistributedTracingSupport"), .define("ServiceLifecycleSupport")]

/// The library's targets, with the same dependencies as in its own manifest.
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
            .product(name: "CoreMetrics", package: "swift-metrics"),
            .product(name: "DequeModule", package: "swift-collections"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "Tracing", package: "swift-distributed-tracing"),
        ],
        path: "Library/PostgresLock",
        swiftSettings: settings + traits
    ),
    .target(name: "LockServerModel", dependencies: ["LockCore"], path: "Library/LockServerModel", swiftSettings: settings),
    .target(name: "ChildProcesses", path: "Library/ChildProcesses", swiftSettings: settings),
    .target(
        name: "PostgresLockTesting",
        dependencies: [
            "ChildProcesses", "LibPQ", "LockCore", "LockServerModel", "PostgresLock", .product(name: "Logging", package: "swift-log"),
        ],
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
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
        // The traits are off, because they interpose malloc and the runtime, which some systems' linkers don't support.
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
            // The name needs at least 16 letters: while allocations are counted, Swift 6.3's runtime on Linux crashes when it
            // retains a string that is stored inline, and the name is retained.
            name: "PostgresLockBenchmarks",
            dependencies: [
                "LibPQ",
                "LockCore",
                "PostgresLock",
                "PostgresLockTesting",
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            path: "Benchmarks/PostgresLockBenchmarks",
            swiftSettings: settings + traits,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
        .testTarget(name: "LockBenchTests", dependencies: ["lock-bench"], swiftSettings: settings),
    ]
)
