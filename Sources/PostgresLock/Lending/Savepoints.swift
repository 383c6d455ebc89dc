/// Whether an error leaves the transaction's lock alone.
///
/// An error releases what was locked since the latest savepoint, or, where there is none, all that the transaction has locked. Which
/// of its savepoints a body has released can't be told from the outside: the names may be quoted, escaped or written in comments.
/// So before the body's first savepoint there is one of ours, which the body does not name, and which stays to the transaction's end.
struct Savepoints {
    /// Constant, as `pg_stat_statements` keeps an entry for each text.
    static let base = "swift_postgres_lock_base"
    /// Around a further lock.
    static let step = "swift_postgres_lock_step"

    /// Whether ours is there for certain.
    private(set) var isBaseSet = false

    /// Whether a statement may begin a savepoint: no other spelling of the keyword is one.
    static func mayBegin(by sql: String) -> Bool {
        contains(sql, "savepoint")
    }

    /// Our own savepoint has been set.
    mutating func noteBase() {
        isBaseSet = true
    }

    /// A statement of the body has succeeded.
    ///
    /// - Parameter tag: The server's, which unlike the SQL can't be misunderstood.
    mutating func note(_ sql: String, tag: String) {
        // A chained transaction has no savepoints; and our name is the library's own, however it is written.
        guard tag == "ROLLBACK" || tag == "RELEASE" else { return }
        if Self.contains(sql, "chain") || Self.contains(sql, "swift_postgres_lock") || Self.contains(sql, "u&") { isBaseSet = false }
    }

    /// - Parameter word: Of lower-case ASCII characters.
    private static func contains(_ sql: String, _ word: String) -> Bool {
        let (text, word) = (sql.utf8, word.utf8)
        guard let first = word.first else { return true }
        var place = text.startIndex
        while place != text.endIndex {
            defer { text.formIndex(after: &place) }
            guard lowercased(text[place]) == first else { continue }
            if text[place...].lazy.map(lowercased).starts(with: word) { return true }
        }
        return false
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}
