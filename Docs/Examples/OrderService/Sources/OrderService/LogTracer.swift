import Logging
import Synchronization
import Tracing

/// Stands in for a tracing backend: writes each span to the log when it ends.
struct LogTracer: Tracer {
    let logger: Logger

    func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> LogSpan {
        LogSpan(operationName, kind: kind, parent: context(), began: instant().nanosecondsSinceEpoch, logger: logger)
    }

    func forceFlush() {}

    // A backend reads the caller's trace from the headers of a request, and writes it into those of a request to another service.
    func extract<Carrier, Extract: Extractor>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
    where Extract.Carrier == Carrier {}
    func inject<Carrier, Inject: Injector>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
    where Inject.Carrier == Carrier {}
}

/// A span, which is part of the trace of the span around it.
final class LogSpan: Span {
    private struct State {
        var name: String
        var attributes: SpanAttributes = [:]
        var events: [String] = []
        var isEnded = false
    }

    /// What a span says of itself to those inside it.
    private struct Identity {
        let trace: String
        let span: String

        static func random() -> String { String(UInt64.random(in: 0 ... .max), radix: 16) }
    }

    private enum Key: ServiceContextKey {
        typealias Value = Identity
    }

    let context: ServiceContext
    let isRecording = true
    private let state: Mutex<State>
    private let kind: SpanKind
    private let identity: Identity
    private let parent: Identity?
    private let began: UInt64
    private let logger: Logger

    init(_ name: String, kind: SpanKind, parent: ServiceContext, began: UInt64, logger: Logger) {
        self.parent = parent[Key.self]
        identity = Identity(trace: self.parent?.trace ?? Identity.random(), span: Identity.random())
        var context = parent
        context[Key.self] = identity
        self.context = context
        self.kind = kind
        self.began = began
        self.logger = logger
        state = Mutex(State(name: name))
    }

    var operationName: String {
        get { state.withLock { $0.name } }
        set { state.withLock { $0.name = newValue } }
    }

    var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { state.withLock { $0.attributes = newValue } }
    }

    func setStatus(_ status: SpanStatus) {}

    func addEvent(_ event: SpanEvent) {
        state.withLock { $0.events.append(event.name) }
    }

    func recordError<Instant: TracerInstant>(_ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant) {
        addEvent(SpanEvent(name: "error"))
    }

    func addLink(_ link: SpanLink) {}

    func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let now = instant().nanosecondsSinceEpoch
        let state = state.withLock { state -> State? in
            defer { state.isEnded = true }
            return state.isEnded ? nil : state
        }
        guard let state else { return }
        var metadata: Logger.Metadata = [
            "span": "\(state.name)",
            "kind": "\(kind)",
            "trace": "\(identity.trace)",
            "id": "\(identity.span)",
            "parent": "\(parent?.span ?? "none")",
            "events": "\(state.events.joined(separator: ","))",
            "duration": "\(Double(now) / 1e9 - Double(began) / 1e9) s",
        ]
        func add(_ name: String, _ value: SpanAttribute) { metadata[name] = "\(value)" }
        state.attributes.forEach(add)
        logger.info("span", metadata: metadata)
    }
}
