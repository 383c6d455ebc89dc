import LibPQ

#if DistributedTracingSupport
    import Tracing

    /// Makes spans.
    struct CallTracing: Sendable {
        private let tracer: any Tracer
        private let configuration: LockManager.Configuration.Tracing
        private let server: Locked<ServerAddress?>

        /// - Returns: `nil` if nothing would become of the spans.
        init?(_ configuration: LockManager.Configuration, _ server: Locked<ServerAddress?>) {
            tracer = configuration.tracing.tracer ?? InstrumentationSystem.tracer
            guard !(tracer is NoOpTracer) else { return nil }
            self.configuration = configuration.tracing
            self.server = server
        }

        /// Begins the span of a call, inside the caller's.
        func begin(_ kind: CallKind, _ requests: [LockRequest], name: String?) -> CallSpan {
            let span = CallSpan(tracer.startSpan([kind.noun, name].compactMap(\.self).joined(separator: " ")), configuration, server)
            span.add { attributes, names in
                attributes[names.kind] = kind.rawValue
                if let name { attributes[names.name] = name }
                if let mode = requests.commonMode { attributes[names.mode] = "\(mode)" }
                if configuration.includesKeys, !requests.isEmpty {
                    attributes[names.keys] = SpanAttribute.stringArray(requests.map { "\($0.key)" })
                }
            }
            return span
        }

        /// Begins the span of a statement; `nil` if statements have none.
        func begin(_ sql: String) -> CallSpan? {
            guard configuration.includesStatements else { return nil }
            let word = sql.drop { $0.isWhitespace }.prefix(20).prefix { $0.isASCII && $0.isLetter }
            let operation = word.isEmpty ? "statement" : word.uppercased()
            let span = CallSpan(tracer.startSpan(operation, ofKind: .client), configuration, server)
            span.add { attributes, names in attributes[names.operation] = operation }
            return span
        }
    }

    /// The span of one call or statement.
    struct CallSpan: Sendable {
        private let span: any Span
        private let configuration: LockManager.Configuration.Tracing
        private let server: Locked<ServerAddress?>

        fileprivate init(_ span: any Span, _ configuration: LockManager.Configuration.Tracing, _ server: Locked<ServerAddress?>) {
            self.span = span
            self.configuration = configuration
            self.server = server
        }

        private var names: LockManager.Configuration.Tracing.AttributeNames { configuration.attributeNames }

        fileprivate func add(_ change: (inout SpanAttributes, LockManager.Configuration.Tracing.AttributeNames) -> Void) {
            span.updateAttributes { change(&$0, names) }
        }

        /// Runs code whose spans are inside this one.
        nonisolated(nonsending) func around<Result>(
            _ body: nonisolated(nonsending) () async throws -> Result
        ) async throws -> Result {
            try await ServiceContext.$current.withValue(span.context) { try await body() }
        }

        func granted(token: FencingToken?) {
            span.addEvent("granted")
            if let token { add { attributes, names in attributes[names.fencingToken] = "\(token)" } }
        }

        func lost(_ loss: LockError) {
            span.addEvent(SpanEvent(name: "lost", attributes: [names.errorType: .string(loss.code.description)]))
        }

        func changed(to mode: LockMode) {
            span.addEvent(SpanEvent(name: mode == .shared ? "downgraded" : "upgraded"))
            add { attributes, names in attributes[names.mode] = "\(mode)" }
        }

        /// - Parameters:
        ///   - outcome: How the wait has ended; `nil` for a statement.
        ///   - error: What is thrown, if anything is.
        func end(_ outcome: CallOutcome?, _ error: (any Error)?) {
            let server = server.withLock { $0 }
            add { attributes, names in
                attributes[names.system] = "postgresql"
                if let server {
                    attributes[names.namespace] = server.namespace
                    attributes[names.serverAddress] = server.host
                    attributes[names.serverPort] = server.port
                }
                if let outcome { attributes[names.outcome] = outcome.rawValue }
                guard let error else { return }
                attributes[names.errorType] = LockError.typeName(of: error)
                if let state = (error as? LockError)?.sqlState { attributes[names.sqlState] = state }
            }
            if let error {
                // The message of a LockError names keys, and that of a failed statement may hold values of rows.
                let code = (error as? LockError)?.code
                if code == nil || configuration.includesKeys && code != .statementFailed { span.recordError(error) }
                span.setStatus(SpanStatus(code: .error))
            }
            span.end()
        }
    }

    extension [LockRequest] {
        /// The mode of all of them; `nil` if there are none, or they differ.
        fileprivate var commonMode: LockMode? { first.flatMap { first in allSatisfy { $0.mode == first.mode } ? first.mode : nil } }
    }
#else
    // Without the trait there are no spans.

    struct CallTracing: Sendable {
        init?(_ configuration: LockManager.Configuration, _ server: Locked<ServerAddress?>) { return nil }

        func begin(_ kind: CallKind, _ requests: [LockRequest], name: String?) -> CallSpan? { nil }
        func begin(_ sql: String) -> CallSpan? { nil }
    }

    enum CallSpan: Sendable {
        nonisolated(nonsending) func around<Result>(
            _ body: nonisolated(nonsending) () async throws -> Result
        ) async throws -> Result {
            try await body()
        }

        func granted(token: FencingToken?) {}
        func lost(_ loss: LockError) {}
        func changed(to mode: LockMode) {}
        func end(_ outcome: CallOutcome?, _ error: (any Error)?) {}
    }
#endif
