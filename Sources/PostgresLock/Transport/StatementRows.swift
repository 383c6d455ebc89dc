import LibPQ

/// The rows that a statement of a body has returned, in PostgreSQL's text format.
///
/// They stay where the transport keeps them: none is copied before it is read. They never change, can be read on any thread, and outlive their
/// session.
package protocol StatementRows: AnyObject, Sendable {
    var rowCount: Int { get }
    var columnCount: Int { get }

    /// How many rows an `INSERT`, `UPDATE`, `DELETE` or the like has touched; of a `SELECT`, how many it has returned.
    var affectedRows: Int { get }

    /// Empty if there is no such column.
    func columnName(_ column: Int) -> String

    /// The type's object identifier; 0 if there is no such column.
    func columnType(_ column: Int) -> UInt32

    /// The value as text; `nil` for NULL, and where there is no such row or column.
    func text(row: Int, column: Int) -> String?
}

extension QueryResult: StatementRows {}

extension StatementRows {
    /// The first column of the first row, if that is a Boolean.
    func boolean() -> Bool? {
        text(row: 0, column: 0).flatMap { Bool(postgresText: $0) }
    }
}
