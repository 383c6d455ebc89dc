import CLibPQ
import PostgresLock
import Testing

/// A libpq connection of the test's own, as an application may have one.
final class OwnedLibPQ {
    let pointer: OpaquePointer
    var connection: LibPQConnection { LibPQConnection(pointer) }

    init(_ url: String) throws {
        let pointer = try #require(PQconnectdb(url))
        self.pointer = pointer
        guard PQstatus(pointer) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(pointer))
            PQfinish(pointer)
            throw TestFailure(message)
        }
    }

    deinit {
        PQfinish(pointer)
    }

    /// Sends a statement, and leaves its results where they are.
    func begin(_ sql: String) {
        PQsendQuery(pointer, sql)
    }

    func finishStatement() {
        while let result = PQgetResult(pointer) { PQclear(result) }
    }

    struct TestFailure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }
}
