import Foundation
import LibPQ

extension TestDatabase {
    /// Runs a body with a session that is not prepared yet, on a thread that it may block.
    func withBlockingSession<Result: Sendable>(
        _ body: @escaping @Sendable (BlockingSession) throws -> Result
    ) async throws -> Result {
        let parameters = ConnectionParameters(string: url, applicationName: "own")
        let result = await withCheckedContinuation { (continuation: CheckedContinuation<Swift.Result<Result, any Error>, Never>) in
            Thread.detachNewThread {
                continuation.resume(
                    returning: Swift.Result {
                        let session = try BlockingSession.open(parameters, within: .seconds(20))
                        defer { session.finishAndWait() }
                        return try body(session)
                    }
                )
            }
        }
        return try result.get()
    }
}
