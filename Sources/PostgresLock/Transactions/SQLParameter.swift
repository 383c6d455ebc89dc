#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// A value for `$1`, `$2`, … of a statement, which is sent beside the SQL, never inside it.
public struct SQLParameter: Sendable {
    /// The type's object identifier; 0 lets the server infer it.
    let type: UInt32
    /// `nil` is NULL.
    let bytes: [UInt8]?
    /// Whether the bytes are in PostgreSQL's binary format, not in its text format.
    let isBinary: Bool

    private init(type: UInt32, _ text: String?) {
        self.type = type
        bytes = text.map { Array($0.utf8) }
        isBinary = false
    }

    private init(type: UInt32, binary: [UInt8]?) {
        self.type = type
        bytes = binary
        isBinary = true
    }

    /// NULL, of whatever type the statement needs.
    public static let null = SQLParameter(type: 0, nil)

    /// A `bigint`, which PostgreSQL converts where a column is smaller.
    public static func int(_ value: Int) -> SQLParameter {
        SQLParameter(type: 20, "\(value)")
    }

    /// An `integer`, for functions that take no `bigint`.
    public static func int32(_ value: Int32) -> SQLParameter {
        SQLParameter(type: 23, "\(value)")
    }

    /// A `double precision`.
    public static func double(_ value: Double) -> SQLParameter {
        SQLParameter(type: 701, value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.isNaN ? "NaN" : "\(value)")
    }

    /// A `boolean`.
    public static func bool(_ value: Bool) -> SQLParameter {
        SQLParameter(type: 16, value ? "t" : "f")
    }

    /// A text, or a value of any other type in its text form: the server infers the type from the statement, so this serves for `jsonb`,
    /// `numeric`, enumerations and the like.
    public static func string(_ value: String) -> SQLParameter {
        SQLParameter(type: 0, value)
    }

    /// A `bytea`.
    public static func bytes(_ value: some Sequence<UInt8>) -> SQLParameter {
        SQLParameter(type: 17, binary: Array(value))
    }

    /// A `uuid`.
    public static func uuid(_ value: UUID) -> SQLParameter {
        SQLParameter(type: 2950, value.uuidString)
    }

    /// A `timestamp with time zone`, to the microsecond; `NULL` for a date that is not a number.
    public static func date(_ value: Date) -> SQLParameter {
        // From PostgreSQL's epoch, 2000-01-01, to Foundation's reference date, 2001-01-01.
        let epochToReference: Double = 366 * 86_400
        let sinceEpoch = value.timeIntervalSinceReferenceDate + epochToReference
        let microseconds = (sinceEpoch * 1_000_000).rounded()
        guard !microseconds.isNaN else { return SQLParameter(type: 1184, binary: nil) }
        // A Date beyond PostgreSQL's years becomes its infinity.
        let limits = Double(Int64.min)...Double(Int64.max).nextDown
        let whole = Int64(min(max(microseconds, limits.lowerBound), limits.upperBound))
        return SQLParameter(type: 1184, binary: withUnsafeBytes(of: whole.bigEndian) { Array($0) })
    }
}

extension SQLParameter: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    /// A `bigint`.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A `double precision`.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// A `boolean`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// NULL.
    public init(nilLiteral: ()) { self = .null }
}
