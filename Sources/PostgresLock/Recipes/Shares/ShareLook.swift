import LockCore

/// What the server shows of the members and the shares of one name.
struct ShareLook: Hashable, Sendable {
    /// The numbers of the members.
    var members: Set<UInt32> = []
    /// The shares that are locked, by whichever session.
    var taken: Set<Int> = []
    /// The numbers of shares that members count on.
    var counts: Set<Int> = []
}

extension ShareLook {
    /// A lock on a pair, as the server shows it.
    struct Row: Hashable {
        let pairClass: Int32
        let object: UInt32
        let isExclusive: Bool
    }

    init(_ rows: some Sequence<Row>, _ keys: ShareKeys) {
        let classes = keys.classes
        for row in rows {
            switch row.pairClass {
            // A lock that can be shared is no member.
            case classes[0] where row.isExclusive: members.insert(row.object)
            case classes[1]: taken.insert(Int(row.object))
            case classes[2] where !row.isExclusive: counts.insert(Int(row.object))
            default: break
            }
        }
    }

    /// The advisory locks of this database on pairs of three classes.
    private static let rows = """
        SELECT l.classid::int8, l.objid::int8, l.mode = 'ExclusiveLock' FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.objsubid = 2 AND (l.classid = $1::oid OR l.classid = $2::oid OR l.classid = $3::oid)
        """

    /// Looks at the server. It walks through all of its locks, which takes it a millisecond or two for each thousand.
    nonisolated(nonsending) static func read(_ keys: ShareKeys, by locks: LockManager) async throws -> ShareLook {
        if let lister = await locks.driver.lister {
            return ShareLook(try lister.locks(inClasses: keys.classes).map(Row.init), keys)
        }
        // A server that does not answer ends the look, so that a member that wants to leave is not kept for long.
        return try await locks.withTransaction(timeout: .seconds(5)) { transaction in
            try await transaction.ignoreDefaults()
            let classes = keys.classes.map { SQLParameter.string("\(UInt32(bitPattern: $0))") }
            let rows = try await transaction.query(rows, classes).map { row in
                Row(
                    pairClass: Int32(truncatingIfNeeded: try row.decode(0, as: Int64.self)),
                    object: UInt32(truncatingIfNeeded: try row.decode(1, as: Int64.self)),
                    isExclusive: try row.decode(2)
                )
            }
            return ShareLook(rows, keys)
        }
    }
}

extension ShareLook.Row {
    init(_ lock: ListedLock) {
        let (pairClass, object) = lock.key.pair
        self.init(pairClass: pairClass, object: UInt32(bitPattern: object), isExclusive: lock.mode == .exclusive)
    }
}
