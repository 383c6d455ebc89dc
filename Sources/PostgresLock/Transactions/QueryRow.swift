/// One row that a query has returned.
public struct QueryRow: Sendable {
    let result: any StatementRows
    let index: Int

    /// The number of columns.
    public var count: Int { result.columnCount }

    /// Decodes a column by its position, counted from 0.
    ///
    /// - Parameters:
    ///   - column: Its position.
    ///   - type: The type to decode the value as. For a column that can be NULL, an optional type.
    /// - Returns: The value.
    /// - Throws: ``LockError`` with the code ``LockError/Code/decodingFailed`` if there is no such row or column, or its value is
    ///   not of this type.
    public func decode<Value: ColumnDecodable>(_ column: Int, as type: Value.Type = Value.self) throws -> Value {
        try requireRow()
        guard (0..<count).contains(column) else {
            throw LockError(.decodingFailed, "There is no column \(column): the row has \(count), counted from 0.")
        }
        let text = result.text(row: index, column: column)
        guard let value = Value(postgresText: text) else {
            // The value itself may be confidential.
            throw LockError(
                .decodingFailed,
                """
                Column \(column) ("\(result.columnName(column))", type \(result.columnType(column))) can't be read as \
                \(type): \(text == nil ? "it is NULL, so ask for an optional" : "its text has another form").
                """
            )
        }
        return value
    }

    /// Decodes a column by its name.
    ///
    /// - Parameters:
    ///   - column: Its name in the result. Of several columns with this name, the first one is decoded.
    ///   - type: The type to decode the value as.
    /// - Returns: The value.
    /// - Throws: As ``decode(_:as:)-(Int,_)``.
    public func decode<Value: ColumnDecodable>(_ column: String, as type: Value.Type = Value.self) throws -> Value {
        try requireRow()
        guard let position = (0..<count).first(where: { result.columnName($0) == column }) else {
            let names = (0..<count).map { result.columnName($0) }.joined(separator: ", ")
            throw LockError(.decodingFailed, "There is no column \"\(column)\"; there are: \(names).")
        }
        return try decode(position, as: type)
    }

    private func requireRow() throws {
        guard !(0..<result.rowCount).contains(index) else { return }
        let rows = result.rowCount == 1 ? "1 row" : "\(result.rowCount) rows"
        throw LockError(.decodingFailed, "There is no row \(index): the result has \(rows), counted from 0.")
    }
}

/// The rows that a query has returned.
public struct QueryRows: RandomAccessCollection, Sendable {
    let result: any StatementRows

    /// Always 0.
    public var startIndex: Int { 0 }
    /// The number of rows.
    public var endIndex: Int { result.rowCount }

    /// The row at a position. Decoding a row that does not exist throws ``LockError/Code/decodingFailed``.
    public subscript(position: Int) -> QueryRow {
        QueryRow(result: result, index: position)
    }
}
