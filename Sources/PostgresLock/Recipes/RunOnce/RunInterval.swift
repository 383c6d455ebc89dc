import LockCore

/// How long the interval is in which a job runs once: see ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)``.
///
/// A day is 24 hours, whatever the clocks of a time zone do.
public struct RunInterval: Hashable, Sendable {
    let microseconds: Int64

    /// The length, in whole microseconds.
    public var duration: Duration { .microseconds(microseconds) }

    /// - Parameter duration: The length. The call that it is given to refuses one that is too short or too long.
    public init(_ duration: Duration) {
        microseconds = duration.clampedNanoseconds / 1_000
    }

    /// This many seconds.
    public static func seconds(_ count: Int) -> RunInterval { RunInterval(.seconds(count)) }
    /// This many minutes.
    public static func minutes(_ count: Int) -> RunInterval { RunInterval(count, .seconds(60)) }
    /// This many hours.
    public static func hours(_ count: Int) -> RunInterval { RunInterval(count, .seconds(3_600)) }
    /// This many times 24 hours.
    public static func days(_ count: Int) -> RunInterval { RunInterval(count, .seconds(86_400)) }

    /// A count of any size is taken: one that is too great gives an interval that is refused.
    private init(_ count: Int, _ unit: Duration) {
        self.init(unit * min(max(count, -1_000_000_000), 1_000_000_000))
    }
}

extension RunInterval: LosslessStringConvertible {
    private static let units: [(suffix: Character, seconds: Int64)] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]

    /// Reads a whole number and its unit: `90s`, `15m`, `24h`, `7d`, `1w`. Anything else is `nil`.
    public init?(_ description: String) {
        guard let unit = Self.units.first(where: { $0.suffix == description.last }),
            let count = UInt32(description.dropLast())
        else { return nil }
        self.init(.seconds(Int64(count) * unit.seconds))
    }

    /// A whole number of hours, minutes or seconds, such as `24h`; the duration if there is no such number.
    public var description: String {
        guard microseconds % 1_000_000 == 0,
            let unit = Self.units.dropFirst(2).first(where: { microseconds % ($0.seconds * 1_000_000) == 0 })
        else { return "\(duration)" }
        return "\(microseconds / 1_000_000 / unit.seconds)\(unit.suffix)"
    }
}
