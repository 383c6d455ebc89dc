#if DistributedTracingSupport
    import InMemoryTracing
    import Testing
    import Tracing

    @testable import PostgresLock

    @Suite("Spans", .database)
    struct SpanTests {
        private struct Mistake: Error {}

        private static let terminate = """
            SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
            WHERE d.datname = current_database() AND l.locktype = 'advisory'
            """

        private let tracer = InMemoryTracer()

        private func manager(_ configure: (inout LockManager.Configuration) -> Void = { _ in }) throws -> LockManager {
            try TestDatabase.get().manager {
                $0.tracing.tracer = tracer
                configure(&$0)
            }
        }

        private func spans(_ name: String) -> [FinishedInMemorySpan] { tracer.finishedSpans.filter { $0.operationName == name } }

        private func text(_ span: FinishedInMemorySpan, _ name: String) -> String? {
            guard case .string(let text)? = span.attributes.get(name) else { return nil }
            return text
        }

        /// All that a span tells, as text.
        private func everything(_ span: FinishedInMemorySpan) -> String {
            var parts = [span.operationName, "\(span.events)", "\(span.errors)"]
            let append: (String, SpanAttribute) -> Void = { parts.append("\($0) \($1)") }
            span.attributes.forEach(append)
            return parts.joined(separator: " ")
        }

        @Test("a lock makes one span around its wait and its body, inside the caller's, and spans of the body are inside it")
        func scope() async throws {
            let database = try TestDatabase.get()
            let locks = try manager().observed(as: "order")
            try await tracer.withSpan("request") { _ in
                try await locks.withLock("secret-4711", mode: .shared) { _ in
                    await tracer.withSpan("work") { _ in await Task.yield() }
                }
            }
            let request = try #require(spans("request").first)
            let lock = try #require(spans("lock order").first)
            let work = try #require(spans("work").first)
            #expect(tracer.finishedSpans.count == 3)
            #expect(tracer.activeSpans.isEmpty)
            #expect(lock.parentSpanID == request.spanID)
            #expect(work.parentSpanID == lock.spanID)
            #expect(work.traceID == request.traceID)
            #expect(lock.kind == .internal)
            #expect(lock.status == nil)
            #expect(lock.events.map(\.name) == ["granted"])
            #expect(text(lock, "pglock.kind") == "lock")
            #expect(text(lock, "pglock.name") == "order")
            #expect(text(lock, "pglock.mode") == "shared")
            #expect(text(lock, "pglock.outcome") == "granted")
            #expect(text(lock, "db.system.name") == "postgresql")
            #expect(text(lock, "db.namespace") == database.name)
            #expect(text(lock, "server.address")?.isEmpty == false)
            #expect(lock.attributes.get("server.port") != nil)
            #expect(lock.attributes.get("error.type") == nil)
            #expect(!everything(lock).contains("4711"))
        }

        @Test("a lock that is not to be had makes a span that says how the call has ended, and does not name the key")
        func failures() async throws {
            let locks = try manager()
            let held = try await locks.acquire("secret-4711")
            await expectTimedOut { _ = try await locks.acquire("secret-4711", timeout: $0) }
            let isFree = try await locks.isFree("secret-4711")
            #expect(!isFree)
            let (timedOut, unavailable) = (try #require(spans("lock").first), try #require(spans("lock").last))
            #expect(text(timedOut, "pglock.outcome") == "timed_out")
            #expect(text(timedOut, "error.type") == "timedOut")
            #expect(timedOut.status?.code == .error)
            #expect(timedOut.events.isEmpty)
            #expect(text(unavailable, "pglock.outcome") == "not_available")
            #expect(unavailable.status == nil)
            for span in spans("lock") { #expect(!everything(span).contains("4711")) }
            try await held.release()
        }

        @Test("keys are attributes only if the configuration asks for them")
        func keys() async throws {
            let locks = try manager { $0.tracing.includesKeys = true }
            try await locks.withLocks([.exclusive("a"), .exclusive("b")]) { _ in }
            let span = try #require(spans("locks").first)
            let keys = [LockRequest.exclusive("a"), .exclusive("b")].inOrder.map { "\($0.key)" }
            #expect(span.attributes.get("pglock.keys") == .stringArray(keys))
        }

        @Test("the error of a body is recorded in the span of its lock")
        func bodyError() async throws {
            let locks = try manager()
            await #expect(throws: Mistake.self) { try await locks.withLock("a") { _ in throw Mistake() } }
            let span = try #require(spans("lock").first)
            #expect(span.errors.contains { $0.error is Mistake })
            #expect(text(span, "error.type") == "_OTHER")
            #expect(text(span, "pglock.outcome") == "granted")
        }

        @Test("a loss is an event of the span, at the time of the loss, and the span's error")
        func loss() async throws {
            let database = try TestDatabase.get()
            let locks = try manager()
            _ = await lockError {
                try await locks.withLock("a") { _ in
                    try await database.queryUncancelled(Self.terminate)
                    try await Task.sleep(for: .seconds(20))
                }
            }
            let span = try #require(spans("lock").first)
            #expect(span.events.map(\.name) == ["granted", "lost"])
            #expect(text(span, "error.type") == "lockLost")
            #expect(span.status?.code == .error)
        }

        @Test("a handle's span lasts until its release, and has its changes of mode as events")
        func handle() async throws {
            let locks = try manager()
            let handle = try await locks.acquire("a")
            #expect(tracer.finishedSpans.isEmpty)
            try await handle.downgrade()
            let isUpgraded = try await handle.tryUpgrade()
            #expect(isUpgraded)
            try await handle.downgrade()
            try await handle.downgrade()
            try await handle.release()
            let span = try #require(spans("lock").first)
            #expect(span.events.map(\.name) == ["granted", "downgraded", "upgraded", "downgraded"])
            #expect(text(span, "pglock.mode") == "shared")
            _ = try await locks.acquire("b")
            #expect(spans("lock").count == 2)
            #expect(tracer.activeSpans.isEmpty)
        }

        @Test("the fencing token is an attribute of the span")
        func token() async throws {
            let locks = try manager { $0.fencingTokens = true }
            let token = try await locks.withLock("a") { try #require($0.fencingToken) }
            #expect(text(try #require(spans("lock").first), "pglock.fencing_token") == "\(token)")
        }

        @Test("sessions and transactions make a span each, around those of the locks that are taken inside them")
        func scopes() async throws {
            let locks = try manager()
            try await locks.withSession { session in
                try await session.withLock("a") { _ in }
                try await session.acquire("b")
            }
            try await locks.withTransaction(locking: "a") { try await $0.acquire("b") }
            let (session, transaction) = (try #require(spans("session").first), try #require(spans("transaction").first))
            #expect(spans("lock").map(\.parentSpanID) == [session.spanID, session.spanID, transaction.spanID])
            #expect(text(transaction, "pglock.mode") == "exclusive")
            #expect(tracer.activeSpans.isEmpty)
        }

        @Test("statements of a body make spans of kind client if the configuration asks for them, without their values")
        func statements() async throws {
            let locks = try manager { $0.tracing.includesStatements = true }
            _ = await lockError {
                try await locks.withTransaction { transaction in
                    _ = try await transaction.query("select $1::text", ["secret-4711"])
                    try await transaction.execute("/* 4711 */ SELECT 1")
                    try await transaction.execute("SELECT 1 / 0")
                }
            }
            let transaction = try #require(spans("transaction").first)
            let statements = tracer.finishedSpans.filter { $0.kind == .client }
            #expect(statements.map(\.operationName) == ["SELECT", "statement", "SELECT"])
            #expect(statements.allSatisfy { $0.parentSpanID == transaction.spanID })
            #expect(statements.allSatisfy { text($0, "db.system.name") == "postgresql" })
            #expect(text(statements[0], "db.operation.name") == "SELECT")
            #expect(text(statements[2], "db.response.status_code") == "22012")
            #expect(text(statements[2], "error.type") == "statementFailed")
            for span in statements { #expect(!everything(span).contains("4711")) }
        }

        @Test("statements make no spans by default, and a tracer that does nothing is never asked for one")
        func off() async throws {
            try await manager().withTransaction { try await $0.execute("SELECT 1") }
            #expect(tracer.finishedSpans.map(\.operationName) == ["transaction"])
            let silent = try manager { $0.tracing.tracer = NoOpTracer() }
            #expect(silent.observation == nil)
        }

        @Test("attributes have the names that the configuration gives them")
        func names() async throws {
            let locks = try manager {
                $0.tracing.attributeNames.kind = "lock.kind"
                $0.tracing.attributeNames.system = "db.system"
            }
            try await locks.withLock("a") { _ in }
            let span = try #require(spans("lock").first)
            #expect(text(span, "lock.kind") == "lock")
            #expect(text(span, "db.system") == "postgresql")
            #expect(span.attributes.get("pglock.kind") == nil)
        }
    }
#endif
