package import LockCore

/// How a session asks for the release of a lock, and how long-held locks are published, by advisory locks and names of sessions alone. It is
/// documented in <doc:Operating>, so that other languages can take part.
package enum ReleaseProtocol {
    private static let requestClass = LockKey.pairClass("pglock:release")
    private static let answerClass = LockKey.pairClass("pglock:released")
    /// The numbers of locks and of pairs must not have one class.
    private static let sinceMasks = [LockKey.pairClass("pglock:since"), LockKey.pairClass("pglock:since pair")]

    // MARK: Requests

    /// What a session holds, shared, that wants another one to release a lock.
    ///
    /// - Parameter processID: The session that holds the lock. So a request for one holder is none for the next.
    package static func mailbox(of processID: Int32) -> LockKey { LockKey(requestClass, processID) }

    /// What the asked manager holds, shared, once it has released what was asked for; until the request is gone.
    package static func answer(to number: UInt32) -> LockKey { LockKey(answerClass, Int32(bitPattern: number)) }

    /// The beginning of the names of sessions that ask this one.
    static let namePrefix = "pglock release "

    /// What the asking session is called.
    package static func name(_ request: Engine.ReleaseRequest, to processID: Int32) -> String {
        "\(namePrefix)\(processID) \(request.key.space == .int8 ? 1 : 2):\(hex(UInt64(bitPattern: request.key.bits))) \(hex(request.number))"
    }

    /// - Returns: `nil` for a name that is no request to the session.
    static func request(in name: Substring, to processID: Int32) -> Engine.ReleaseRequest? {
        let words = name.split(separator: " ")
        guard words.count == 5, words[..<2] == ["pglock", "release"], Int32(words[2]) == processID,
            let number = UInt32(words[4], radix: 16),
            case let parts = words[3].split(separator: ":"), parts.count == 2, let bits = UInt64(parts[1], radix: 16)
        else { return nil }
        let key = AdvisoryKey(Int64(bitPattern: bits))
        switch parts[0] {
        case "1": return Engine.ReleaseRequest(key: key, number: number)
        case "2": return Engine.ReleaseRequest(key: AdvisoryKey(key.pair.first, key.pair.second), number: number)
        default: return nil
        }
    }

    private static func hex(_ number: some FixedWidthInteger) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: number.bitWidth / 4 - digits.count) + digits
    }

    /// The requests to sessions: a row for each, with its process and the names of those that ask it, in lines; NULL if there are
    /// none.
    ///
    /// The try is refused while a session holds the mailbox's key, and leaves nothing behind. Only then are the names looked for.
    static let requests = """
        SELECT p.pid, CASE WHEN NOT pg_catalog.pg_try_advisory_xact_lock(\(requestClass), p.pid) THEN (\
        SELECT pg_catalog.string_agg(a.application_name, pg_catalog.chr(10)) FROM pg_catalog.pg_stat_get_activity(NULL) a \
        WHERE pg_catalog.starts_with(a.application_name, pg_catalog.concat('\(namePrefix)', p.pid, ' '))) END \
        FROM pg_catalog.unnest($1) p(pid)
        """

    // MARK: Since when

    /// What is held, shared, by the session of a manager that has held the lock for a while.
    ///
    /// - Parameter seconds: Since when, in seconds since 1970.
    package static func since(_ key: AdvisoryKey, seconds: UInt32) -> LockKey {
        LockKey(sinceClass(of: key), Int32(bitPattern: seconds))
    }

    /// The first number of the pair: both halves of the lock's number, and a mask.
    package static func sinceClass(of key: AdvisoryKey) -> Int32 {
        key.pair.first ^ key.pair.second ^ sinceMask(of: key.space)
    }

    static func sinceMask(of space: AdvisoryKey.Space) -> Int32 { sinceMasks[Int(space.rawValue)] }

    /// What a lock is for, if this protocol uses it.
    package static func use(of key: LockKey) -> String? {
        switch key.pair?.first {
        case requestClass: "asks for a release"
        case answerClass: "answers a request to release"
        default: nil
        }
    }
}
