import Foundation

/// Where the scripts for other programs are: beside the sources, since this runs from a checkout only.
enum PeersFolder {
    /// `Benchmarks/`.
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ name: String) -> String {
        package.appendingPathComponent("Peers").appendingPathComponent(name).path
    }
}
