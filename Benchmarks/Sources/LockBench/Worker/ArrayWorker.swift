/// What one session of the server can do if it is asked for 1,000 locks at a time: prepared statements, binary, and no
/// client to speak of.
struct ArrayWorker {
    let url: String
    let seconds: Double
    /// Whether the server only counts the locks, instead of answering for each: no rows for the client to take, but it
    /// would not know which it got.
    let isCounted: Bool

    private static let size = 1000

    func run() throws -> [String: Double] {
        let session = try RawSession(url: url)
        for (name, function) in [("lock", "pg_try_advisory_lock"), ("unlock", "pg_advisory_unlock")] {
            let column = isCounted ? "count(\(function)(k))" : "\(function)(k)"
            try session.prepare(name, "SELECT \(column) FROM unnest($1::int8[]) k")
        }
        let keys = Self.array(of: 0..<Int64(Self.size))
        func pairs(for limit: Duration) throws -> [String: Double] {
            let start = ContinuousClock.now
            var rounds = 0
            while ContinuousClock.now - start < limit {
                try session.execute("lock", keys)
                try session.execute("unlock", keys)
                rounds += 1
            }
            return ["pairs": Double(rounds * Self.size), "seconds": (ContinuousClock.now - start) / .seconds(1)]
        }
        _ = try pairs(for: .milliseconds(300))
        return try pairs(for: .seconds(seconds))
    }

    /// An `int8[]` as the server sends and takes it: dimensions, null flag, element type, length, lower bound, then each
    /// element with its size.
    private static func array(of keys: Range<Int64>) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
        }
        for word in [1, 0, 20, Int32(keys.count), 1] { append(word) }
        for key in keys {
            append(Int32(8))
            append(key)
        }
        return bytes
    }
}
