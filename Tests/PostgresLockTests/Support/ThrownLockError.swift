import PostgresLock
import Testing

/// The error with which the body ends; records an issue if that is none, or not a `LockError`.
///
/// In contrast to `#expect(throws:)` it can be used inside itself.
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
