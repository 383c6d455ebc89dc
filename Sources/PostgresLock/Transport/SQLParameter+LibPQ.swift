import LibPQ

extension SQLParameter {
    var parameter: Statement.Parameter { Statement.Parameter(type: type, bytes: bytes, isBinary: isBinary) }
}
