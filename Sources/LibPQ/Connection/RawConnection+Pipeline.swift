import CLibPQ

// libpq's pipeline mode.
extension RawConnection {
    func enterPipeline() {
        PQsetnonblocking(pointer, 1)
        PQenterPipelineMode(pointer)
    }

    // MARK: Sending

    /// - Returns: Whether it was sent; if not, the connection has failed.
    func sendPreparation(of statement: Statement, as name: PreparedStatements.Name) -> Bool {
        let types = statement.parameters.map(\.type)
        return name.withUnsafeBufferPointer { PQsendPrepare(pointer, $0.baseAddress, statement.sql, Int32(types.count), types) == 1 }
    }

    /// Sends a statement that is prepared, and its Sync.
    func send(_ statement: Statement, preparedAs name: PreparedStatements.Name) -> Bool {
        name.withUnsafeBufferPointer { name in
            statement.values.withUnsafeValues { values in
                PQsendQueryPrepared(
                    pointer,
                    name.baseAddress,
                    values.count,
                    values.pointers,
                    values.lengths,
                    values.formats,
                    statement.resultFormat
                ) == 1
            }
        } && sendSync()
    }

    /// Sends a statement and its Sync.
    func send(_ statement: Statement) -> Bool {
        statement.values.withUnsafeValues { values in
            PQsendQueryParams(
                pointer,
                statement.sql,
                values.count,
                statement.parameters.map(\.type),
                values.pointers,
                values.lengths,
                values.formats,
                statement.resultFormat
            ) == 1
        } && sendSync()
    }

    func sendSync() -> Bool {
        PQpipelineSync(pointer) == 1
    }

    // MARK: Receiving

    var isUsable: Bool { PQstatus(pointer) == CONNECTION_OK }

    /// libpq's message about the connection.
    var errorMessage: String { String(cString: PQerrorMessage(pointer)).trimmingNewlines }

    /// Reads what the socket has.
    func consumeInput() -> Bool {
        PQconsumeInput(pointer) == 1 && isUsable
    }

    /// Frees the notifications that libpq has read, which it would collect until the connection's end. A body, or another client of a
    /// pooler, may have run LISTEN. To be called when no result is left.
    func discardNotifications() {
        while let notification = PQnotifies(pointer) { PQfreemem(notification) }
    }

    /// Calls the notice receiver for the messages on the way to the result.
    ///
    /// - Parameters:
    ///   - shape: The shape of the statement whose results come next.
    ///   - isExpected: Whether an answer is outstanding. If not, there can still be notices, for instance that the server is stopping.
    func nextResult(shape: Statement.Shape?, isExpected: Bool) -> PipelineResult {
        guard PQisBusy(pointer) == 0, isExpected else { return .pending }
        guard isUsable else { return .dead(errorMessage) }
        guard let result = PQgetResult(pointer) else { return .null }
        let status = PQresultStatus(result)
        if shape == .rows, status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK { return .rows(QueryResult(adopting: result)) }
        defer { PQclear(result) }
        return switch status {
        case PGRES_PIPELINE_SYNC: .sync(transaction)
        case PGRES_SINGLE_TUPLE where shape == .booleans: .row(Self.booleans(of: result))
        case PGRES_TUPLES_OK where shape == .booleanRow && PQntuples(result) > 0: .row(Self.booleans(of: result))
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: .complete
        case PGRES_COPY_OUT, PGRES_COPY_IN, PGRES_COPY_BOTH: .copy
        case PGRES_PIPELINE_ABORTED: .aborted
        default: .error(ServerError(result: result))
        }
    }

    /// The values of one row, in binary format: one byte each, 0 or 1. A NULL ends the row.
    private static func booleans(of row: OpaquePointer) -> BooleanRow {
        var values: BooleanRow = []
        for column in 0..<min(PQnfields(row), Int32(BooleanRow.maximumCount)) {
            guard PQgetisnull(row, 0, column) == 0 else { break }
            values.append(PQgetvalue(row, 0, column)?.pointee == 1)
        }
        return values
    }

    private var transaction: Reply.Transaction {
        switch PQtransactionStatus(pointer) {
        case PQTRANS_IDLE: .none
        case PQTRANS_INTRANS: .open
        case PQTRANS_INERROR: .aborted
        default: .unknown
        }
    }
}

extension Statement {
    fileprivate var resultFormat: Int32 { shape == .booleans || shape == .booleanRow ? 1 : 0 }
}
