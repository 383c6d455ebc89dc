import CLibPQ
import Foundation
import PostgresLock
import Testing

/// A libpq connection of the test's own, as an application may have one.
final class OwnedLibPQ {
    let pointer: OpaquePointer
    var connection: LibPQConnection { LibPQConnection(pointer) }

    /// The server's, unless there is a pooler in between.
    var process: pid_t { PQbackendPID(pointer) }
    var isBlocking: Bool { PQisnonblocking(pointer) == 0 }

    init(_ url: String, blocking: Bool = true) throws {
        let pointer = try #require(PQconnectdb(url))
        self.pointer = pointer
        guard PQstatus(pointer) == CONNECTION_OK else {
            let message = String(cString: PQerrorMessage(pointer))
            PQfinish(pointer)
            throw TestFailure(message)
        }
        if !blocking { PQsetnonblocking(pointer, 1) }
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
