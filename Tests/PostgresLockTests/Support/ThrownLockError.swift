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

/// The `LockError` that the body throws, with a limit that is long enough to know why the body can't have what it asks for.
///
/// On a busy machine nothing may be known within a short limit: no attempt to connect has ended, or the server has not answered. Then the body
/// is run again with a longer one.
///
/// - Parameter limit: The first limit.
nonisolated(nonsending) func informedError(
    from limit: Duration,
    sourceLocation: SourceLocation = #_sourceLocation,
    of body: nonisolated(nonsending) (_ timeout: Duration) async throws -> Void
) async -> LockError? {
    var limit = limit
    while true {
        let error = await lockError(sourceLocation: sourceLocation) { try await body(limit) }
        guard error?.code == .noAnswer, limit > .zero, limit < .seconds(20) else { return error }
        limit *= 4
    }
}

/// Expects that the body, which asks for a lock that is taken, ends by the code `timedOut`. A limit that was too short to know that is prolonged.
///
/// - Parameter limit: The first limit.
nonisolated(nonsending) func expectTimedOut(
    from limit: Duration = .milliseconds(100),
    sourceLocation: SourceLocation = #_sourceLocation,
    of body: nonisolated(nonsending) (_ timeout: Duration) async throws -> Void
) async {
    let error = await informedError(from: limit, sourceLocation: sourceLocation, of: body)
    #expect(error?.code == .timedOut, "\(String(describing: error))", sourceLocation: sourceLocation)
}
