import LibPQ

extension LockError {
    /// A statement was not sent, and its connection is as before.
    init(_ obstacle: Statement.Obstacle) {
        let text =
            switch obstacle {
            case .zeroInSQL:
                "The SQL contains a zero byte (U+0000), at which it would be cut off. The statement was not sent."
            case .zeroInParameter(let number):
                """
                The text for the parameter $\(number) contains a zero byte (U+0000), which PostgreSQL allows in no text. The statement was not \
                sent. For arbitrary bytes use a bytea: SQLParameter.bytes(_:).
                """
            case .tooManyParameters(let count):
                """
                The statement has \(count) parameters, and was not sent: PostgreSQL takes at most \(Statement.maximumParameterCount). Send \
                an array as one parameter, or several statements.
                """
            case .tooLong(let length):
                """
                The statement is \(length) bytes long, and was not sent: PostgreSQL takes at most \(Statement.maximumLength), of SQL and of \
                parameters. Send it in parts.
                """
            }
        self.init(.invalidArgument, text)
    }
}
