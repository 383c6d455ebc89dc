import Hummingbird
import PostgresLock

/// Answers requests whose lock is taken or can't be had, and those whose client has gone.
struct LockErrors<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as LockError {
            // For the log, not for the client: the message names the database and the key.
            context.logger.info("not shipped", metadata: ["error": "\(error)"])
            if error.isContention { throw HTTPError(.conflict, message: "Another request works on it.") }
            guard error.isOutage else { throw HTTPError(.internalServerError) }
            throw HTTPError(.serviceUnavailable, headers: error.isRetryable ? [.retryAfter: "5"] : [:])
        } catch is CancellationError {
            // The client has gone, so the answer is only for metrics and spans, which would otherwise count a failure of the service: 500.
            throw HTTPError(.init(code: 499, reasonPhrase: "Client Closed Request"))
        }
    }
}
