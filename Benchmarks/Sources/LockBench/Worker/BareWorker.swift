import Foundation

/// A client without this library: a loop of blocking calls of libpq, whose statements are prepared and whose values are binary.
struct BareWorker {
    let url: String
    let seconds: Double
    let server: Int32?

    /// Measures one client that tries to take a lock and releases it.
    func pairs() throws -> [String: Double] {
        let session = try RawSession(url: url)
        try session.prepare("lock", "SELECT pg_try_advisory_lock($1::int8)")
        try session.prepare("unlock", "SELECT pg_advisory_unlock($1::int8)")
        let key = Self.binary(1)
        return try BlockingMeasurement(seconds: seconds, server: server).run {
            try session.execute("lock", key)
            try session.execute("unlock", key)
            return 1
        }
    }

    /// Holds a lock in turn with another process, and waits for it in the server.
    func handover() throws {
        let session = try RawSession(url: url)
        try session.prepare("lock", "SELECT pg_advisory_lock($1::int8)")
        try session.prepare("unlock", "SELECT pg_advisory_unlock($1::int8)")
        let key = Self.binary(HandoverWorker.key)
        HandoverWorker.say("ready")
        while readLine() != nil {
            try session.execute("lock", key)
            HandoverWorker.say("acquired \(Monotonic.now())")
            guard readLine() != nil else { break }
            let time = Monotonic.now()
            try session.execute("unlock", key)
            HandoverWorker.say("released \(time)")
        }
    }

    private static func binary(_ value: Int64) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
