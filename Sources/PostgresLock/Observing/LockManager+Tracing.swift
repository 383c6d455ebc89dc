#if DistributedTracingSupport
    public import Tracing

    extension LockManager.Configuration {
        /// Which spans are made. <doc:Observing> describes them.
        ///
        /// A call makes one span, around its wait and its body. Spans that the body makes are inside it.
        public struct Tracing: Sendable {
            /// Makes the spans; `nil` for the tracer that `InstrumentationSystem` has when the manager is made. `NoOpTracer()` turns
            /// spans off.
            public var tracer: (any Tracer)?

            /// Whether spans name the keys of their locks; false by default, because keys can contain personal data, and make the spans of
            /// many traces differ.
            public var includesKeys = false

            /// Whether the SQL statements of transactions and explicit sessions make spans of kind `client`; false by default. The
            /// statements that take locks make none: one statement serves many callers.
            public var includesStatements = false

            /// What the attributes of the spans are called.
            public var attributeNames = AttributeNames()

            /// The defaults.
            public init() {}
        }
    }

    extension LockManager.Configuration.Tracing {
        /// What the attributes of spans are called: as OpenTelemetry calls them, as far as it does.
        public struct AttributeNames: Sendable {
            /// `postgresql`.
            public var system = "db.system.name"
            /// The database.
            public var namespace = "db.namespace"
            /// The server's host, or the folder of its Unix socket.
            public var serverAddress = "server.address"
            /// The server's port.
            public var serverPort = "server.port"
            /// The first word of a statement.
            public var operation = "db.operation.name"
            /// The server's SQLSTATE.
            public var sqlState = "db.response.status_code"
            /// The code of a ``LockError``, or `_OTHER` for an error of another type.
            public var errorType = "error.type"
            /// What was asked for: `lock`, `lock_set`, `session`, `session_lock`, `transaction` or `transaction_lock`.
            public var kind = "pglock.kind"
            /// The name that was given to ``LockManager/observed(as:logger:)``.
            public var name = "pglock.name"
            /// `exclusive` or `shared`.
            public var mode = "pglock.mode"
            /// How the wait has ended.
            public var outcome = "pglock.outcome"
            /// The fencing token, if there is one.
            public var fencingToken = "pglock.fencing_token"
            /// The keys, if ``LockManager/Configuration/Tracing/includesKeys`` is on.
            public var keys = "pglock.keys"

            /// The defaults.
            public init() {}
        }
    }
#endif
