// swift-tools-version: 6.2

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "swift-postgres-lock",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "PostgresLock", targets: ["PostgresLock"]),
        .library(name: "PostgresLockTesting", targets: ["PostgresLockTesting"]),
        .library(name: "PostgresLockTestingTraits", targets: ["PostgresLockTestingTraits"]),
        .executable(name: "pglock", targets: ["pglock"]),
    ],
    // A trait is a compilation condition of its name.
    traits: [
        .trait(name: "ServiceLifecycleSupport", description: "Managers are services of swift-service-lifecycle."),
        .trait(name: "DistributedTracingSupport", description: "Locks make spans of swift-distributed-tracing."),
        .trait(name: "ConfigurationSupport", description: "Configurations can be read by swift-configuration."),
        .default(enabledTraits: ["ServiceLifecycleSupport", "DistributedTracingSupport"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibPQ",
            pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"]), .brew(["libpq"])]
        ),
        // For Linux; on Apple's systems CryptoKit is used. Other systems are not supported.
        .systemLibrary(
            name: "CLibCrypto",
            pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"]), .yum(["openssl-devel"])]
        ),
        // What Swift can't call of the system's functions for processes.
        .systemLibrary(name: "CProcessControl"),
        .target(
            name: "LockCore",
            dependencies: [
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "LibPQ",
            dependencies: [
                "CLibPQ",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "PostgresLock",
            dependencies: [
                .target(name: "CLibCrypto", condition: .when(platforms: [.linux])),
                "LibPQ",
                "LockCore",
                .product(name: "Configuration", package: "swift-configuration", condition: .when(traits: ["ConfigurationSupport"])),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(
                    name: "ServiceLifecycle",
                    package: "swift-service-lifecycle",
                    condition: .when(traits: ["ServiceLifecycleSupport"])
                ),
                .product(
                    name: "Tracing",
                    package: "swift-distributed-tracing",
                    condition: .when(traits: ["DistributedTracingSupport"])
                ),
            ],
            swiftSettings: settings
        ),
        .target(name: "LockServerModel", dependencies: ["LockCore"], swiftSettings: settings),
        .target(name: "ChildProcesses", swiftSettings: settings),
        .target(
            name: "PostgresLockTesting",
            dependencies: [
                "ChildProcesses", "LibPQ", "LockCore", "LockServerModel", "PostgresLock", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        // Apart, because it imports Swift Testing, which programs that are no tests should not be linked with.
        .target(name: "PostgresLockTestingTraits", dependencies: ["PostgresLockTesting"], swiftSettings: settings),
        .target(name: "CommandSupport", dependencies: ["ChildProcesses"], swiftSettings: settings),
        .executableTarget(
            name: "LockDemo",
            dependencies: [
                "ChildProcesses",
                "CommandSupport",
                "LibPQ",
                "PostgresLock",
                "PostgresLockTesting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "pglock",
            dependencies: [
                "ChildProcesses",
                "CommandSupport",
                "CProcessControl",
                "LibPQ",
                "LockCore",
                "PostgresLock",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "EphemeralPostgresHolder",
            dependencies: ["PostgresLockTesting"],
            path: "Tests/Helpers/EphemeralPostgresHolder",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LockWorker",
            dependencies: ["PostgresLock"],
            path: "Tests/Helpers/LockWorker",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LockHolder",
            dependencies: ["PostgresLock"],
            path: "Tests/Helpers/LockHolder",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "SemaphoreWorker",
            dependencies: ["PostgresLock"],
            path: "Tests/Helpers/SemaphoreWorker",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "RecipeWorker",
            dependencies: ["PostgresLock"],
            path: "Tests/Helpers/RecipeWorker",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "RecipeTimes",
            dependencies: [
                "Chaos", "ChildProcesses", "FaultTools", "LibPQ", "PostgresLock", "PostgresLockTesting", "RecipeWorker", "SemaphoreWorker",
            ],
            path: "Tests/Helpers/RecipeTimes",
            swiftSettings: settings
        ),
        .target(
            name: "LockSimulation",
            dependencies: ["LockCore", "LockServerModel"],
            path: "Tests/Helpers/LockSimulation",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LockSimulator",
            dependencies: ["LockSimulation"],
            path: "Tests/Helpers/LockSimulator",
            swiftSettings: settings
        ),
        .target(
            name: "FaultTools",
            dependencies: ["ChildProcesses", "LibPQ"],
            path: "Tests/Helpers/FaultTools",
            swiftSettings: settings
        ),
        .target(
            name: "Chaos",
            dependencies: ["LibPQ", "LockCore", "PostgresLock"],
            path: "Tests/Helpers/Chaos",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ChaosWorker",
            dependencies: ["Chaos", "LibPQ", "LockCore", "PostgresLock"],
            path: "Tests/Helpers/ChaosWorker",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "ChaosRunner",
            dependencies: ["Chaos", "ChaosWorker", "ChildProcesses", "FaultTools", "PostgresLock", "PostgresLockTesting"],
            path: "Tests/Helpers/ChaosRunner",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "FailoverRunner",
            dependencies: [
                "Chaos", "ChaosWorker", "ChildProcesses", "FaultTools", "PostgresLock", "PostgresLockTesting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Helpers/FailoverRunner",
            swiftSettings: settings
        ),
        .testTarget(
            name: "ChaosTests",
            dependencies: ["Chaos", "ChaosRunner", "ChildProcesses", "FaultTools", "PostgresLock"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "DocumentationTests",
            dependencies: ["ChildProcesses", "PostgresLock", "PostgresLockTesting"],
            exclude: ["Stubs", "Surroundings"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LockCoreTests",
            dependencies: ["LockCore", "LockServerModel", "LockSimulation", .product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LibPQTests",
            dependencies: ["CLibPQ", "LibPQ", "PostgresLockTesting"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PglockTests",
            dependencies: [
                "ChildProcesses", "CommandSupport", "FaultTools", "LibPQ", "LockCore", "LockDemo", "pglock", "PostgresLock",
                "PostgresLockTesting",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PostgresLockTestingTests",
            dependencies: [
                "ChildProcesses", "EphemeralPostgresHolder", "LibPQ", "PostgresLock", "PostgresLockTesting", "PostgresLockTestingTraits",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PostgresLockTests",
            dependencies: [
                "Chaos",
                "ChildProcesses",
                "CLibPQ",
                "FaultTools",
                "LibPQ",
                "LockCore",
                "LockServerModel",
                "LockWorker",
                "LockHolder",
                "PostgresLock",
                "PostgresLockTesting",
                "RecipeWorker",
                "SemaphoreWorker",
                "pglock",
                .product(name: "Configuration", package: "swift-configuration", condition: .when(traits: ["ConfigurationSupport"])),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(
                    name: "InMemoryTracing",
                    package: "swift-distributed-tracing",
                    condition: .when(traits: ["DistributedTracingSupport"])
                ),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(
                    name: "ServiceLifecycle",
                    package: "swift-service-lifecycle",
                    condition: .when(traits: ["ServiceLifecycleSupport"])
                ),
                .product(
                    name: "ServiceLifecycleTestKit",
                    package: "swift-service-lifecycle",
                    condition: .when(traits: ["ServiceLifecycleSupport"])
                ),
                .product(
                    name: "Tracing",
                    package: "swift-distributed-tracing",
                    condition: .when(traits: ["DistributedTracingSupport"])
                ),
            ],
            exclude: ["Peers/peer.py"],
            swiftSettings: settings
        ),
    ]
)
