import CLibPQ
import Testing

@testable import LibPQ

@Suite("The rows of a statement")
struct QueryResultTests {
    /// A result of a connection, with a column named `x` and as many rows as values; and what libpq reports about it.
    private struct Table {
        let result: QueryResult
        let notices: Locked<[ServerError]>
        private let connection: RawConnection

        init(_ values: [String], tag: String = "") throws {
            // It fails at once, but it is a connection, whose notice receiver its results take over.
            let pointer = try #require(PQconnectStart("host=/nowhere"))
            let notices = Locked<[ServerError]>([])
            connection = RawConnection(adopting: pointer, notices: NoticeReceiver { notice in notices.withLock { $0.append(notice) } })
            self.notices = notices
            let rows = try #require(PQmakeEmptyPGresult(pointer, PGRES_TUPLES_OK))
            result = QueryResult(adopting: rows)
            var name = Array("x".utf8CString)
            name.withUnsafeMutableBufferPointer { name in
                var column = PGresAttDesc()
                column.name = name.baseAddress
                column.typid = 25
                PQsetResultAttrs(rows, 1, &column)
            }
            for (row, value) in values.enumerated() {
                var bytes = Array(value.utf8CString)
                PQsetvalue(rows, Int32(row), 0, &bytes, Int32(bytes.count - 1))
            }
            let status = UnsafeMutablePointer(mutating: try #require(PQcmdStatus(rows)))
            for (offset, byte) in tag.utf8CString.enumerated() { status[offset] = byte }
        }
    }

    @Test("libpq is never asked for a row or a column that does not exist, so it sends no notice", arguments: [[], ["a"], ["a", "b"]])
    func bounds(values: [String]) throws {
        let table = try Table(values)
        let numbers = [Int.min, -1, values.count, values.count + 1, Int(Int32.max), Int.max]
        for number in numbers {
            #expect(table.result.text(row: number, column: 0) == nil)
            #expect(!table.result.hasRow(number))
        }
        for number in numbers where !(0..<1).contains(number) {
            for row in values.indices { #expect(table.result.text(row: row, column: number) == nil) }
            #expect(table.result.columnName(number).isEmpty)
            #expect(table.result.columnType(number) == 0)
            #expect(!table.result.hasColumn(number))
        }
        #expect(values.indices.map { table.result.text(row: $0, column: 0) } == values)
        #expect(table.result.columnName(0) == "x")
        #expect(table.result.columnType(0) == 25)
        #expect(table.notices.withLock { $0.map(\.message) } == [])
    }

    @Test(
        "the number of affected rows is read from any command tag, and libpq sends no notice of one that it does not know",
        arguments: [
            ("INSERT 0 12", 12), ("UPDATE 3", 3), ("SELECT 0", 0), ("CREATE TABLE", 0), ("", 0), ("INSERT 0", 0), ("UPDATE many", 0),
            ("DELETE ", 0),
        ]
    )
    func affectedRows(tag: String, count: Int) throws {
        let table = try Table([], tag: tag)
        #expect(table.result.affectedRows == count)
        #expect(table.notices.withLock { $0.map(\.message) } == [])
    }
}
