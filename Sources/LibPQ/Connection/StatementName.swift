/// The name under which connections prepare a statement at its first use. All statements with the name are the same.
///
/// Each name has a number, by which a connection finds what it has prepared: to look a string up in a dictionary takes longer than to pass a
/// prepared statement to libpq.
package struct StatementName: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    private static let numbers = Locked<[String: Int]>([:])

    package let text: String
    /// From 0 on.
    let number: Int

    package init(_ text: String) {
        self.text = text
        number = Self.numbers.withLock { numbers in
            let number = numbers[text] ?? numbers.count
            numbers[text] = number
            return number
        }
    }

    package init(stringLiteral text: String) {
        self.init(text)
    }
}
