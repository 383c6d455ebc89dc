/// What the server has answered to one statement.
package struct Reply: Sendable {
    /// Of a statement with the shape `booleans`: its rows, also those that came before an error.
    package var booleans: [Bool] = []
    /// Of a statement with the shape `rows` that has succeeded.
    package var result: QueryResult?
    package var error: ServerError?
}
