import LockCore

/// A number that grows with each holder of a lock: over tasks and processes, over crashes and restarts of the server, and over
/// failovers as long as no two standbys take the same timeline: see <doc:FencingTokens>.
///
/// A holder that was frozen for long may wake up, and write, after others have had the lock. It can't rule that out itself. The
/// store of what it writes can, by refusing a token lower than the last one that it has seen:
///
/// ```sql
/// UPDATE accounts SET balance = $1, fence = $2 WHERE id = $3 AND (fence IS NULL OR fence <= $2)
/// ```
///
/// Tokens of one lock can be compared with each other, those of different locks can't. As text (``description``) and as bytes
/// (``bytes``) they have a fixed width, and sort as they do here; the text is also a valid `uuid` for PostgreSQL.
///
/// Shared holders get tokens too, each its own; the locks of one ``LockSession`` have the same. The token of an exclusive holder is greater
/// than those of all earlier holders, and lower than those of all later ones.
public struct FencingToken: Hashable, Sendable, Comparable, Codable, LosslessStringConvertible {
    /// The server's timeline, which begins anew with a higher number when a standby is promoted.
    private let timeline: UInt32
    /// Where in the server's write-ahead log a record was written after the lock was granted.
    private let location: UInt64
    /// The number of handoffs inside the process since.
    private let index: UInt32

    init(_ position: WALPosition, index: UInt32) {
        timeline = position.timeline
        location = position.location
        self.index = index
    }

    /// Reads what ``description`` has written.
    ///
    /// - Parameter description: 32 hexadecimal digits, in groups or not, as PostgreSQL writes an `uuid` too; else the result is
    ///   `nil`.
    public init?(_ description: String) {
        // With this prefix it is a `bytea`.
        guard let bytes = [UInt8](postgresText: "\\x" + description.filter { $0 != "-" }) else { return nil }
        self.init(bytes: bytes)
    }

    /// Reads what ``bytes`` has written.
    ///
    /// - Parameter bytes: 16 bytes; with any other number of them the result is `nil`.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        func number(_ range: Range<Int>) -> UInt64 {
            bytes.dropFirst(range.lowerBound).prefix(range.count).reduce(0) { $0 << 8 | UInt64($1) }
        }
        timeline = UInt32(number(0..<4))
        location = number(4..<12)
        index = UInt32(number(12..<16))
    }

    /// 16 bytes, which are ordered as the tokens are.
    public var bytes: [UInt8] {
        [UInt64(timeline) << 32 | location >> 32, location << 32 | UInt64(index)].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }

    /// The token as an `uuid` is written: 32 lowercase hexadecimal digits in five groups, which are ordered as the tokens are.
    public var description: String {
        var text = ""
        for (place, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(place) { text += "-" }
            text += byte < 16 ? "0" : ""
            text += String(byte, radix: 16)
        }
        return text
    }

    /// Whether one was given out before the other, of the same lock.
    public static func < (one: Self, other: Self) -> Bool {
        (one.timeline, one.location, one.index) < (other.timeline, other.location, other.index)
    }

    /// As its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let token = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "“\(text)” is no fencing token.")
        }
        self = token
    }

    /// As its text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
