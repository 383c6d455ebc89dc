/// The savepoints that a transaction has, as far as the borrower's statements tell.
///
/// An error takes everything along that was locked since the latest of them, or, where there is none, all that the transaction has
/// locked. So to know of too few is safe.
struct Savepoints {
    private var names: [String] = []

    var isEmpty: Bool { names.isEmpty }

    /// A statement has succeeded, after which the transaction is open.
    ///
    /// - Parameter tag: The server's, which unlike the SQL can't be misunderstood.
    mutating func note(_ sql: String, tag: String) {
        switch tag {
        case "SAVEPOINT": names.append(Self.name(in: sql))
        case "RELEASE": names.removeSubrange((index(in: sql) ?? 0)...)
        case "ROLLBACK": names.removeSubrange((index(in: sql).map { $0 + 1 } ?? 0)...)
        default: break
        }
    }

    private func index(in sql: String) -> Int? {
        names.lastIndex(of: Self.name(in: sql))
    }

    /// In all these statements it is the last word.
    private static func name(in sql: String) -> String {
        let word = sql.split { $0.isWhitespace || $0 == ";" }.last.map(String.init) ?? ""
        return word.hasSuffix("\"") ? word : word.lowercased()
    }
}
