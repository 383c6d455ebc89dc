import CLibPQ
import Dispatch

/// A `PGconn` that the caller owns, used for one statement at a time, in the caller's isolation.
///
/// Not sendable, like the pointer, since libpq allows one thread at a time.
package struct CallersConnection {
    private let pointer: OpaquePointer

    package init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    /// Runs one statement to its end, without blocking the thread.
    ///
    /// - Returns: The result of the statement; `nil` if it was empty.
    /// - Throws: ``ServerError`` if the server has refused the statement; ``ConnectionFailure`` if the connection can't be used, or was lost.
    package func run(_ sql: String, isolation: isolated (any Actor)?) async throws -> QueryResult? {
        try requireIdle()
        // Before the statement is sent: after a later failure its outcome would be unknown.
        guard let socket = DuplicateSocket(of: PQsocket(pointer)) else {
            throw ConnectionFailure(.lost, "its socket can't be watched: \(DuplicateSocket.failure).")
        }
        // By default libpq blocks the thread until the server has read the whole statement.
        let wasBlocking = PQisnonblocking(pointer) == 0
        if wasBlocking, PQsetnonblocking(pointer, 1) != 0 { throw lost() }
        // By then everything has been sent, or the connection has failed.
        defer { if wasBlocking { PQsetnonblocking(pointer, 0) } }
        guard PQsendQuery(pointer, sql) == 1 else { throw lost() }
        while true {
            let left = PQflush(pointer)
            guard left >= 0 else { throw lost() }
            guard left > 0 else { break }
            await wait(toWrite: true, socket, isolation)
            guard PQconsumeInput(pointer) == 1 else { throw lost() }
        }
        var last: QueryResult?
        var failure: ServerError?
        while let result = try await nextResult(socket, isolation) {
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
                last = QueryResult(adopting: result)
            case PGRES_EMPTY_QUERY:
                PQclear(result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                // libpq would report it again and again.
                let status = PQresultStatus(result)
                PQclear(result)
                try await endCopy(status, socket, isolation)
                failure =
                    failure ?? ServerError(severity: "ERROR", sqlState: "0A000", message: "COPY from or to the client can't be run here.")
            default:
                failure = failure ?? ServerError(result: result)
                PQclear(result)
            }
        }
        if let failure {
            // An error without an SQLSTATE is libpq's own, about the connection.
            throw failure.sqlState.isEmpty ? ConnectionFailure(.lost, failure.text) as any Error : failure
        }
        return last
    }

    private func requireIdle() throws {
        guard PQstatus(pointer) == CONNECTION_OK else { throw lost() }
        guard PQpipelineStatus(pointer) == PQ_PIPELINE_OFF else {
            throw ConnectionFailure(.lost, "it is in pipeline mode (PQenterPipelineMode), in which nothing can be waited for.")
        }
        guard PQtransactionStatus(pointer) != PQTRANS_ACTIVE else {
            throw ConnectionFailure(.lost, "it still runs another statement. Take all its results (PQgetResult) first.")
        }
    }

    private func nextResult(_ socket: DuplicateSocket, _ isolation: isolated (any Actor)?) async throws -> OpaquePointer? {
        while PQisBusy(pointer) == 1 {
            await wait(socket, isolation)
            guard PQconsumeInput(pointer) == 1 else { throw lost() }
        }
        return PQgetResult(pointer)
    }

    /// Ends a COPY without data, or discards the server's data.
    private func endCopy(_ status: ExecStatusType, _ socket: DuplicateSocket, _ isolation: isolated (any Actor)?) async throws {
        switch status {
        case PGRES_COPY_IN:
            while true {
                let sent = PQputCopyEnd(pointer, "nothing is sent")
                guard sent >= 0 else { throw lost() }
                guard sent == 0 else { return }
                await wait(toWrite: true, socket, isolation)
            }
        case PGRES_COPY_OUT:
            while true {
                var row: UnsafeMutablePointer<CChar>?
                let length = PQgetCopyData(pointer, &row, 1)
                if let row { PQfreemem(row) }
                guard length >= 0 else { return }
                guard length == 0 else { continue }
                await wait(socket, isolation)
                guard PQconsumeInput(pointer) == 1 else { throw lost() }
            }
        default:
            throw ConnectionFailure(.lost, "it is used for replication.")
        }
    }

    private func lost() -> ConnectionFailure {
        ConnectionFailure(.lost, String(cString: PQerrorMessage(pointer)).trimmingNewlines)
    }

    /// What sends a cancel request for the statement that runs, from any thread. Made before the statement is sent: the connection has one
    /// user at a time.
    package func cancelRequestSender() -> (@Sendable () async -> Void)? {
        guard let sender = CancelRequestSender(for: pointer) else { return nil }
        return {
            await withCheckedContinuation { continuation in
                // Blocks until the server has got it.
                DispatchQueue.global().async {
                    sender.send()
                    continuation.resume()
                }
            }
        }
    }

    /// What closes the connection's socket, from any thread. Made before a statement is sent.
    package func closer() -> (@Sendable () -> Void)? {
        guard let socket = DuplicateSocket(of: PQsocket(pointer)) else { return nil }
        return { socket.shutDown() }
    }

    // MARK: Waiting

    /// Waits until the socket is ready, by a dispatch source of its own.
    private func wait(toWrite: Bool = false, _ socket: DuplicateSocket, _ isolation: isolated (any Actor)?) async {
        await withCheckedContinuation { continuation in
            let source: any DispatchSourceProtocol =
                toWrite
                ? DispatchSource.makeWriteSource(fileDescriptor: socket.descriptor, queue: .global())
                : DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: .global())
            let watched = UncheckedTransfer(source)
            let onReady: @Sendable () -> Void = { watched.value.cancel() }
            // Until then the socket must stay open for Dispatch.
            let onCancelled: @Sendable () -> Void = { [socket] in
                _ = socket
                continuation.resume()
            }
            source.setEventHandler(handler: onReady)
            source.setCancelHandler(handler: onCancelled)
            source.activate()
        }
    }
}
