import LibPQ

/// A statement that the body of a transaction or a session runs itself.
package struct BodyStatement {
    package let sql: String
    var parameters: [SQLParameter] = []

    /// The statement, as libpq takes it.
    var statement: Statement {
        Statement(sql, parameters: parameters.map(\.parameter), shape: .rows)
    }

    /// Why it can't be sent, if it can't.
    var obstacle: LockError? {
        Statement.obstacle(sql, parameters.lazy.map(\.parameter)).map { LockError($0) }
    }
}

extension SQLParameter {
    fileprivate var parameter: Statement.Parameter { Statement.Parameter(type: type, bytes: bytes, isBinary: isBinary) }
}
