import CLibPQ

/// The rows of one statement, in text format.
///
/// Safe to share: libpq does not change a result after it has returned it, and the storage is freed with the last reference. If libpq is
/// asked for a row or a column that does not exist, it calls the notice receiver of the result's connection, on the asking thread, also
/// after the connection's end. So it is never asked for one.
package final class QueryResult: @unchecked Sendable {
    private let result: OpaquePointer

    /// - Parameter result: A `PGresult`, which this object owns from then on.
    init(adopting result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(result)
    }

    package var rowCount: Int { Int(PQntuples(result)) }
    package var columnCount: Int { Int(PQnfields(result)) }

    /// How many rows an INSERT, UPDATE, DELETE or the like has touched; of a SELECT, how many it has returned.
    ///
    /// Read from the end of the command tag: `PQcmdTuples` calls the notice receiver for a tag that it does not know.
    package var affectedRows: Int { commandTag.split(separator: " ").last.flatMap { Int($0) } ?? 0 }

    /// For instance `INSERT 0 1`, or `ROLLBACK` in answer to a COMMIT of a failed transaction.
    package var commandTag: String { String(cString: PQcmdStatus(result)) }

    /// Empty if there is no such column.
    package func columnName(_ column: Int) -> String {
        guard hasColumn(column) else { return "" }
        return PQfname(result, Int32(column)).map { String(cString: $0) } ?? ""
    }

    /// The type's object identifier; 0 if there is no such column.
    package func columnType(_ column: Int) -> UInt32 {
        hasColumn(column) ? PQftype(result, Int32(column)) : 0
    }

    /// The value as text; `nil` for NULL, and where there is no such row or column.
    package func text(row: Int, column: Int) -> String? {
        guard hasRow(row), hasColumn(column), PQgetisnull(result, Int32(row), Int32(column)) == 0 else { return nil }
        let length = Int(PQgetlength(result, Int32(row), Int32(column)))
        guard let value = PQgetvalue(result, Int32(row), Int32(column)) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: value, count: length)
        return String(decoding: bytes, as: UTF8.self)
    }

    package func hasRow(_ row: Int) -> Bool { row >= 0 && row < rowCount }

    package func hasColumn(_ column: Int) -> Bool { column >= 0 && column < columnCount }
}
