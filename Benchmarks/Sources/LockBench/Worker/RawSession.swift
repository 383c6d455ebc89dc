import CLibPQ

/// A session by blocking calls of libpq, without this library.
final class RawSession {
    private let connection: OpaquePointer

    init(url: String) throws {
        guard let connection = PQconnectdb(url) else { throw BenchError("libpq has no memory for a connection.") }
        self.connection = connection
        guard PQstatus(connection) == CONNECTION_OK else {
            throw BenchError("libpq can't connect: \(String(cString: PQerrorMessage(connection)))")
        }
    }

    deinit {
        PQfinish(connection)
    }

    /// - Returns: The first value of the first row, as text.
    @discardableResult
    func query(_ sql: String) throws -> String {
        try finish(PQexec(connection, sql))
    }

    func prepare(_ name: String, _ sql: String) throws {
        try finish(PQprepare(connection, name, sql, 0, nil))
    }

    /// Runs a prepared statement with one parameter and takes the rows, all in binary form.
    func execute(_ name: String, _ parameter: [UInt8]) throws {
        try parameter.withUnsafeBytes { bytes in
            let value: [UnsafePointer<CChar>?] = [bytes.bindMemory(to: CChar.self).baseAddress]
            try finish(PQexecPrepared(connection, name, 1, value, [Int32(bytes.count)], [1], 1))
        }
    }

    @discardableResult
    private func finish(_ result: OpaquePointer?) throws -> String {
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK: return ""
        case PGRES_TUPLES_OK: return PQntuples(result) > 0 ? String(cString: PQgetvalue(result, 0, 0)) : ""
        default: throw BenchError("The server refused a statement: \(String(cString: PQerrorMessage(connection)))")
        }
    }
}
