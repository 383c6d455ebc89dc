/// Which of a transaction's locks an error does not release.
///
/// An error releases the locks since the latest savepoint, or, if there is none, all locks of the transaction. It is not always known which
/// of its savepoints a body has released: the names may be escaped or written in comments. So the library sets a savepoint of its own (the
/// base) before the body's first one. The body does not name the base, which stays to the transaction's end. If the body has taken further
/// locks, the library sets another savepoint before the body's next one. The body can release that one together with an older one of its
/// own.
struct Savepoints {
    /// Whether the base certainly exists, below all savepoints of the body.
    private(set) var isBaseSet = false
    /// The locks since the library's latest savepoint: the next error may release them.
    private(set) var exposed: Set<AdvisoryKey> = []
    /// The locks after the base and before the library's latest savepoint.
    private var sheltered: Set<AdvisoryKey> = []
    /// The names of the body's savepoints since the library's latest one, as far as they are certain. There may be more.
    private var names: [String] = []

    // MARK: Events

    /// Whether the library has to set a savepoint before a statement of the body.
    func isWanted(before sql: String) -> Bool {
        // No other spelling of the keyword begins one.
        (!isBaseSet || !exposed.isEmpty) && sql.contains(lowercased: "savepoint")
    }

    /// The library has set a savepoint. If the base may be gone, it becomes the base: then the body's savepoints have gone with the old
    /// base.
    mutating func noteSet() {
        isBaseSet = true
        sheltered.formUnion(exposed)
        exposed = []
        names = []
    }

    /// A lock was taken.
    mutating func noteLock(_ key: AdvisoryKey) {
        if isBaseSet { exposed.insert(key) }
    }

    /// A lock is held again as it was before the library's latest savepoint, if it was held then.
    mutating func noteRolledBack(_ key: AdvisoryKey) {
        if sheltered.contains(key) { exposed.remove(key) }
    }

    /// A lock is not held any more.
    mutating func forget(_ key: AdvisoryKey) {
        exposed.remove(key)
        sheltered.remove(key)
    }

    /// A statement of the body has succeeded.
    ///
    /// - Parameter tag: The server's command tag, which unlike the SQL can't be misunderstood.
    /// - Returns: Whether the library's savepoint may be gone, and has to be set again at once. Until then an error may release all locks.
    mutating func note(_ sql: String, tag: String) -> Bool {
        let name = Self.name(in: sql)
        switch tag {
        case "SAVEPOINT":
            if let name { names.append(name) }
            return false
        case "RELEASE", "ROLLBACK":
            // The server takes the latest one of that name. It is known if it is later than the library's latest savepoint.
            if let name, let index = names.lastIndex(of: name) {
                names.removeSubrange((tag == "RELEASE" ? index : index + 1)...)
                return false
            }
            let isRestoring = name == nil && !sheltered.isEmpty
            if mayBeBase(name, sql, tag: tag) { isBaseSet = false }
            names = []
            exposed.formUnion(sheltered)
            sheltered = []
            return isRestoring || !isBaseSet
        default:
            return false
        }
    }

    private func mayBeBase(_ name: String?, _ sql: String, tag: String) -> Bool {
        if let name { return name == CheckedOutSession.Savepoint.base.rawValue }
        // A chained transaction has no savepoints, and an escaped name may be that of the base.
        return sql.contains(lowercased: "swift_postgres_lock") || sql.contains(lowercased: "u&")
            || (tag == "ROLLBACK" && sql.contains(lowercased: "chain"))
    }

    // MARK: SQL

    private static let beginnings: Set<String> = [
        "savepoint", "release", "release savepoint", "rollback to", "rollback to savepoint", "rollback work to",
        "rollback work to savepoint", "rollback transaction to", "rollback transaction to savepoint",
    ]

    /// The savepoint that a successful statement names, if the text leaves no doubt.
    private static func name(in sql: String) -> String? {
        guard sql.utf8.count < 200, sql.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        var text = Substring(sql)
        while let last = text.last, last.isWhitespace || last == ";" { text.removeLast() }
        let name: String
        if text.last == "\"" {
            guard let quote = text.dropLast().lastIndex(of: "\"") else { return nil }
            name = String(text[quote...].dropFirst().dropLast())
            text = text[..<quote]
        } else {
            let word = text.suffix(while: { !$0.isWhitespace })
            guard word.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { return nil }
            name = word.lowercased()
            text = text[..<word.startIndex]
        }
        // The server cuts longer ones off.
        guard (1...63).contains(name.utf8.count) else { return nil }
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return beginnings.contains(words.lowercased()) ? name : nil
    }
}

extension String {
    /// - Parameter word: Of lower-case ASCII characters; in the text they may be of either case.
    func contains(lowercased word: String) -> Bool {
        let (text, word) = (utf8, word.utf8)
        guard let first = word.first else { return true }
        var index = text.startIndex
        while index != text.endIndex {
            defer { text.formIndex(after: &index) }
            guard Self.lowercased(text[index]) == first else { continue }
            if text[index...].lazy.map(Self.lowercased).starts(with: word) { return true }
        }
        return false
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }
}

extension Substring {
    fileprivate func suffix(while isWanted: (Character) -> Bool) -> Substring {
        self[(lastIndex { !isWanted($0) }.map(index(after:)) ?? startIndex)...]
    }
}
