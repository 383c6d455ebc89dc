import CLibPQ

/// Makes a connection to one host, on a thread that may block.
struct Dialing {
    let keywords: [(keyword: String, value: String)]
    let deadline: ConnectDeadline
    let onNotice: @Sendable (ServerError) -> Void

    func run() throws(ConnectionFailure) -> RawConnection {
        guard let pointer = CStringArray.with(keywords.map(\.keyword), keywords.map(\.value), { PQconnectStartParams($0, $1, 1) })
        else { throw ConnectionFailure(.unreachable, "libpq could not allocate memory.") }
        let raw = RawConnection(adopting: pointer, notices: NoticeReceiver(onNotice))
        // Messages have the SQLSTATE only at this verbosity. It does not depend on the server's language, as the text does.
        PQsetErrorVerbosity(pointer, PQERRORS_VERBOSE)
        var status = PQstatus(pointer) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while status != PGRES_POLLING_OK {
            guard status != PGRES_POLLING_FAILED else {
                throw ConnectionFailure(connecting: raw.errorMessage)
            }
            try deadline.wait(for: PQsocket(pointer), toWrite: status == PGRES_POLLING_WRITING)
            status = PQconnectPoll(pointer)
        }
        PQsetErrorVerbosity(pointer, PQERRORS_DEFAULT)
        return raw
    }
}

/// Passes Swift strings to C as two parallel, null-terminated arrays.
enum CStringArray {
    static func with<Result>(
        _ first: [String],
        _ second: [String],
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let copies = (first + second).map { strdup($0) }
        defer {
            for copy in copies { free(copy) }
        }
        let left = copies.prefix(first.count).map { UnsafePointer<CChar>($0) } + [nil]
        let right = copies.dropFirst(first.count).map { UnsafePointer<CChar>($0) } + [nil]
        return left.withUnsafeBufferPointer { left in
            right.withUnsafeBufferPointer { right in
                // Both end with a null pointer, so neither is empty and both have a base address.
                body(left.baseAddress.unsafelyUnwrapped, right.baseAddress.unsafelyUnwrapped)
            }
        }
    }
}
