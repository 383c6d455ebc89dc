/// Which statements a connection has prepared, and under which names.
struct PreparedStatements {
    /// A zero-terminated string.
    typealias Name = ContiguousArray<CChar>

    /// A pooler may pass on a session with the statements that another client has prepared in it.
    private let suffix = "_" + String(UInt64.random(in: .min ... .max), radix: 36)
    /// By the number of the name.
    private var names: [Name?] = []

    /// The statement's name in the session; `nil` if it is not prepared.
    subscript(name: StatementName) -> Name? {
        name.number < names.count ? names[name.number] : nil
    }

    /// The statement is prepared from now on.
    mutating func insert(_ name: StatementName) -> Name {
        let unique = ContiguousArray((name.text + suffix).utf8CString)
        while names.count <= name.number { names.append(nil) }
        names[name.number] = unique
        return unique
    }

    mutating func remove(_ name: StatementName) {
        if name.number < names.count { names[name.number] = nil }
    }

    mutating func removeAll() {
        names = []
    }
}
