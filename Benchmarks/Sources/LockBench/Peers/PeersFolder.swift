import Foundation

/// The folder of the scripts for pgbench and Python. It is in the checkout, because lock-bench runs only from a checkout.
enum PeersFolder {
    /// `Benchmarks/`.
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ name: String) -> String {
        package.appendingPathComponent("Peers").appendingPathComponent(name).path
    }
}
