/// Repeats work that blocks the thread, and counts it between warm-up and end.
struct BlockingMeasurement {
    let seconds: Double
    let server: Int32?

    private static let warmUp = 0.3

    /// - Parameter body: The repeated work. Returns the number of pairs that it did.
    /// - Returns: `pairs`, and the values of ``Usage/end()``.
    func run(_ body: () throws -> Int) throws -> [String: Double] {
        _ = try pairs(for: Self.warmUp, body)
        let usage = Usage(server: server)
        let pairs = try pairs(for: seconds, body)
        return usage.end().merging(["pairs": Double(pairs)]) { $1 }
    }

    private func pairs(for seconds: Double, _ body: () throws -> Int) throws -> Int {
        let end = ContinuousClock.now + .seconds(seconds)
        var pairs = 0
        while ContinuousClock.now < end { pairs += try body() }
        return pairs
    }
}
