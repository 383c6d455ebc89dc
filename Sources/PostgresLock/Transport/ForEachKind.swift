import LockCore

/// A value for each form of a key in each mode, made once: to put the text of a statement together takes longer than to send it.
struct ForEachKind<Value: Sendable>: Sendable {
    private let values: [Value]

    init(_ make: (AdvisoryKey.Space, Mode) -> Value) {
        values = AdvisoryKey.Space.allCases.flatMap { space in Mode.allCases.map { make(space, $0) } }
    }

    subscript(space: AdvisoryKey.Space, mode: Mode) -> Value {
        values[Int(space.rawValue) * Mode.allCases.count + Int(mode.rawValue)]
    }
}
