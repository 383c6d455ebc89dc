import CLibPQ

/// The rows of one statement, in text format.
///
/// Safe to share: libpq never changes a result after it has been handed out, and the storage is freed with the last
/// reference.
package final class QueryResult: @unchecked Sendable {
    private let result: OpaquePointer

    /// - Parameter result: A `PGresult` that nobody else owns.
    init(adopting result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(result)
    }

    package var rowCount: Int { Int(PQntuples(result)) }
    package var columnCount: Int { Int(PQnfields(result)) }

    /// How many rows an INSERT, UPDATE, DELETE or the like has touched; of a SELECT, how many it has returned.
    package var affectedRows: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    /// For instance `INSERT 0 1`, or `ROLLBACK` in answer to a COMMIT of a failed transaction.
    package var commandTag: String { String(cString: PQcmdStatus(result)) }

    package func columnName(_ column: Int) -> String {
        PQfname(result, Int32(column)).map { String(cString: $0) } ?? ""
    }

    package func columnType(_ column: Int) -> UInt32 {
        PQftype(result, Int32(column))
    }

    /// The value as text, or `nil` for NULL. Row and column must exist.
    package func text(row: Int, column: Int) -> String? {
        guard PQgetisnull(result, Int32(row), Int32(column)) == 0 else { return nil }
        let length = Int(PQgetlength(result, Int32(row), Int32(column)))
        guard let value = PQgetvalue(result, Int32(row), Int32(column)) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: value, count: length)
        return String(decoding: bytes, as: UTF8.self)
    }
}
