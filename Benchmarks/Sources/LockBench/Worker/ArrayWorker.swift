/// Measures how many locks one session of the server can grant if each statement requests 1,000. The statements are prepared, the values
/// binary, and the client is a plain loop over libpq.
struct ArrayWorker {
    let url: String
    let seconds: Double
    let server: Int32?
    /// Whether the server returns only the number of granted locks instead of a row for each. This costs less, but a client would not
    /// know which locks it has.
    let isCounted: Bool

    private static let size = 1000

    func run() throws -> [String: Double] {
        let session = try RawSession(url: url)
        for (name, function) in [("lock", "pg_try_advisory_lock"), ("unlock", "pg_advisory_unlock")] {
            let column = isCounted ? "count(\(function)(k))" : "\(function)(k)"
            try session.prepare(name, "SELECT \(column) FROM unnest($1::int8[]) k")
        }
        let keys = Self.array(of: 0..<Int64(Self.size))
        return try BlockingMeasurement(seconds: seconds, server: server).run {
            try session.execute("lock", keys)
            try session.execute("unlock", keys)
            return Self.size
        }
    }

    /// An `int8[]` in the server's binary format: dimensions, null flag, element type, length, lower bound, then each element
    /// with its size.
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
