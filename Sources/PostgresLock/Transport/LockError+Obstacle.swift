import LibPQ

extension LockError {
    /// Tells why a statement was not sent. Nothing has happened to its connection.
    init(_ obstacle: Statement.Obstacle) {
        let text =
            switch obstacle {
            case .zeroInSQL:
                "The SQL has a zero byte (U+0000) in it, where it would be cut off. The statement was not sent."
            case .zeroInParameter(let number):
                """
                The text for the parameter $\(number) has a zero byte (U+0000) in it, which PostgreSQL has in no text. The statement was \
                not sent. What may hold any byte is a bytea: SQLParameter.bytes(_:).
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

extension BodyStatement {
    /// Why it can't be sent, if it can't.
    var obstacle: LockError? {
        Statement.obstacle(sql, parameters.lazy.map(\.parameter)).map { LockError($0) }
    }
}
