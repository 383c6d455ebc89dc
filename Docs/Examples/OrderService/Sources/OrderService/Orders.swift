import Hummingbird
import PostgresLock

/// The routes of orders.
struct Orders {
    let locks: LockManager

    func add(to router: Router<BasicRequestContext>) {
        // POST /orders/42/ship?seconds=3: the work takes three seconds.
        router.post("orders/:id/ship") { request, context -> String in
            let id = try context.parameters.require("id")
            let seconds = request.uri.queryParameters.get("seconds", as: Double.self) ?? 0
            // The name is for metrics and spans, the logger for the lines about this request's lock.
            let locks = locks.observed(as: "order", logger: context.logger)
            // Hummingbird does not cancel a request whose client goes, unless it is asked to. Then the wait ends, or the body is
            // cancelled, and the order is free again.
            return try await request.body.consumeWithCancellationOnInboundClose { _ in
                try await locks.withLock("order:\(id)", timeout: .seconds(2)) { _ in
                    context.logger.info("ships", metadata: ["order": "\(id)"])
                    try await Task.sleep(for: .seconds(seconds)) // the work
                    return "order \(id) is shipped\n"
                }
            }
        }
    }
}
