import PostgresLock
import Testing

/// The `LockError` that the body throws; records an issue if it throws none.
///
/// Unlike `#expect(throws:)`, calls can be nested.
nonisolated(nonsending) func lockError<Result>(
    sourceLocation: SourceLocation = #_sourceLocation,
    of body: nonisolated(nonsending) () async throws -> Result
) async -> LockError? {
    do {
        _ = try await body()
        Issue.record("No error was thrown.", sourceLocation: sourceLocation)
        return nil
    } catch let error as LockError {
        return error
    } catch {
        Issue.record("Thrown was: \(error)", sourceLocation: sourceLocation)
        return nil
    }
}

/// Expects that the body, which asks for a lock that is taken, ends by the code `timedOut`.
///
/// On a busy machine the server may not have said within a short limit that the lock is taken. Then the body is run again with a longer
/// one.
///
/// - Parameter limit: The first limit.
nonisolated(nonsending) func expectTimedOut(
    from limit: Duration = .milliseconds(100),
    sourceLocation: SourceLocation = #_sourceLocation,
    of body: nonisolated(nonsending) (_ timeout: Duration) async throws -> Void
) async {
    var limit = limit
    while true {
        let error = await lockError(sourceLocation: sourceLocation) { try await body(limit) }
        guard error?.code == .noAnswer, limit < .seconds(20) else {
            #expect(error?.code == .timedOut, "\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        limit *= 4
    }
}
