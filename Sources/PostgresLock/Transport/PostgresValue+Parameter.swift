import LibPQ

extension PostgresValue {
    var parameter: Statement.Parameter { Statement.Parameter(type: type, bytes: bytes, isBinary: isBinary) }
}
