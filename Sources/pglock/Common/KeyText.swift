import ArgumentParser
import PostgresLock

/// The text form of keys on the command line.
enum KeyText {
    /// The key's number, or its two numbers, as ``parse(_:isNumber:)`` reads them.
    static func numbers(of key: LockKey) -> String {
        key.pair.map { "\($0.first),\($0.second)" } ?? key.number.map(String.init) ?? ""
    }

    /// The key that a name has by a scheme, or with `--number` that of one number or two.
    static func parse(_ text: String, isNumber: Bool, scheme: KeyScheme = .postgresqlLock) throws -> LockKey {
        guard isNumber else {
            guard !text.isEmpty else { throw ValidationError("The lock's name is empty. Give it a name that says what it guards.") }
            return try scheme == .postgresqlLock ? LockKey(text) : scheme.key(text)
        }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
        if parts.count == 1, let number = Int64(parts[0]) { return LockKey(number: number) }
        if parts.count == 2, let first = Int32(parts[0]), let second = Int32(parts[1]) { return LockKey(first, second) }
        throw ValidationError(
            """
            '\(text)' is no key by --number: that is one number of 64 bits, such as 42, or two of 32 bits with a comma, \
            such as 1,42.
            """
        )
    }
}
