import ArgumentParser

/// Checks on numbers of seconds.
enum Seconds {
    /// About thirty years, at which no clock overflows.
    static let limit = 1e9

    static func require(_ isFine: Bool, _ option: String, _ value: Double) throws {
        guard isFine else {
            throw ValidationError("\(option) is \(value); it has to be a number of seconds, such as 2 or 0.5.")
        }
    }
}
