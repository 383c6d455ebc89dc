import CLibPQ

/// What the server has answered to one statement.
package struct Reply: Sendable {
    /// Of a statement with the shape `booleans`: its rows, also those that came before an error.
    package var booleans: [Bool] = []
    /// Of a statement with the shape `rows` that has succeeded.
    package var result: QueryResult?
    package var error: ServerError?
    /// Whether the session was certainly outside of a transaction afterwards. Known only if nothing was sent behind it.
    package var isOutsideTransaction = false

    /// Takes the values of one row, in binary format: one byte each, 0 or 1. A NULL is no value, nor is what comes after it.
    mutating func appendBooleans(of row: OpaquePointer) {
        for column in 0..<PQnfields(row) {
            guard PQgetisnull(row, 0, column) == 0 else { return }
            booleans.append(PQgetvalue(row, 0, column)?.pointee == 1)
        }
    }
}
