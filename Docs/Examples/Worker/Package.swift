// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "worker",
    platforms: [.macOS(.v15)],
    dependencies: [
        // In a package of your own: .package(url: "https://github.com/OWNER/swift-postgres-lock", branch: "main", traits: …)
        .package(name: "swift-postgres-lock", path: "../../..", traits: [.defaults, "ConfigurationSupport"]),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .executableTarget(
            name: "Worker",
            dependencies: [
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "PostgresLock", package: "swift-postgres-lock"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: [.treatAllWarnings(as: .error)]
        )
    ]
)
