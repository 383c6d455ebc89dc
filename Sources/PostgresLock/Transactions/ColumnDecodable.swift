#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

/// A type that a column's value can be decoded as.
///
/// The server sends values in its text format, which every type has.
public protocol ColumnDecodable {
    /// Reads a value.
    ///
    /// - Parameter postgresText: The value as PostgreSQL writes it, or `nil` for NULL. If the text has another form than this type
    ///   expects, the initializer must fail.
    init?(postgresText: String?)
}

extension ColumnDecodable where Self: LosslessStringConvertible {
    /// Reads the value by its `LosslessStringConvertible` initializer.
    public init?(postgresText: String?) {
        guard let postgresText else { return nil }
        self.init(postgresText)
    }
}

extension String: ColumnDecodable {}
extension Int: ColumnDecodable {}
extension Int16: ColumnDecodable {}
extension Int32: ColumnDecodable {}
extension Int64: ColumnDecodable {}
extension UInt32: ColumnDecodable {}
extension Double: ColumnDecodable {}
extension Float: ColumnDecodable {}

extension Bool: ColumnDecodable {
    /// Reads a `boolean`.
    public init?(postgresText: String?) {
        switch postgresText {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}

extension Optional: ColumnDecodable where Wrapped: ColumnDecodable {
    /// Reads NULL as `nil`.
    public init?(postgresText: String?) {
        guard let postgresText else {
            self = .none
            return
        }
        guard let value = Wrapped(postgresText: postgresText) else { return nil }
        self = .some(value)
    }
}

extension [UInt8]: ColumnDecodable {
    /// Reads a `bytea` in hexadecimal form, the server's default.
    public init?(postgresText: String?) {
        guard let digits = postgresText?.utf8, digits.starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "x")]) else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in digits.dropFirst(2) {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | UInt8(value))
                high = nil
            } else {
                high = UInt8(value)
            }
        }
        guard high == nil else { return nil }
        self = bytes
    }
}

extension UUID: ColumnDecodable {
    /// Reads a `uuid`.
    public init?(postgresText: String?) {
        guard let postgresText else { return nil }
        self.init(uuidString: postgresText)
    }
}

extension Date: ColumnDecodable {
    /// Reads a `timestamp with time zone`. A `timestamp` without time zone, an infinity and a year before Christ fail.
    public init?(postgresText: String?) {
        let form = #/(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d{1,6})?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?/#
        guard let postgresText, let match = postgresText.wholeMatch(of: form)?.output,
            let year = Int(match.1), let month = Int(match.2), let day = Int(match.3),
            let hour = Int(match.4), let minute = Int(match.5), let second = Int(match.6), let zoneHour = Int(match.9)
        else { return nil }
        let zoneMinute = match.10.flatMap { Int($0) } ?? 0
        let zoneSecond = match.11.flatMap { Int($0) } ?? 0
        let fraction = match.7.flatMap { Double("0\($0)") } ?? 0
        let offset = (zoneHour * 3600 + zoneMinute * 60 + zoneSecond) * (match.8 == "-" ? -1 : 1)
        let seconds = Self.days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        self.init(timeIntervalSince1970: Double(seconds) + fraction)
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar, which is PostgreSQL's.
    ///
    /// The algorithm is Howard Hinnant's `days_from_civil` ("chrono-Compatible Low-Level Date Algorithms").
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
