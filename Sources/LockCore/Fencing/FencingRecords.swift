/// The records that fencing tokens come from, one for each held key.
///
/// A record is written to the server's write-ahead log after the grant of the key. When the record is on the disk, its position is the
/// token, and an index distinguishes the holders to which the key is passed on in memory. The session of the lock may have ended between
/// the grant and the record, and another process may have had the lock, and a token, in between. So the record counts only when the session
/// has answered something that it was sent after the position was known.
///
/// Keys come out in an order that does not differ from run to run.
struct FencingRecords: Sendable {
    private struct Record: Sendable {
        /// Distinguishes it from other records for the same key.
        let number: Int
        /// The session that holds the lock.
        let session: ConnectionID
        var position: WALPosition?
        /// How much the session had been sent when the position was known.
        var sentBefore = 0
        var isConfirmed = false
        var nextIndex: UInt32 = 0
    }

    private var records: [AdvisoryKey: Record] = [:]
    private var lastNumber = 0
    private var toWrite: [AdvisoryKey] = []
    private var beingWritten: [(key: AdvisoryKey, number: Int)] = []
    /// The calls that wait for a new token of a lock that is held, in the order in which they were made.
    private var renewals: [AdvisoryKey: [RequestID]] = [:]

    var isEmpty: Bool { records.isEmpty }
    var isAnyToWrite: Bool { !toWrite.isEmpty }

    // MARK: From grant to token

    /// A key was granted, or a holder wants another token.
    ///
    /// - Returns: Whether a record is to be written: not if the key has one from which further holders can get tokens.
    mutating func begin(_ key: AdvisoryKey, on session: ConnectionID) -> Bool {
        guard records[key] == nil else { return false }
        lastNumber += 1
        records[key] = Record(number: lastNumber, session: session)
        toWrite.append(key)
        return true
    }

    /// One record is about to be written for all keys that need one.
    ///
    /// - Returns: Whether any does.
    mutating func beginWriting() -> Bool {
        beingWritten = toWrite.compactMap { key in records[key].map { (key, $0.number) } }
        toWrite.removeAll(keepingCapacity: true)
        return !beingWritten.isEmpty
    }

    /// The record is on the disk.
    ///
    /// - Parameter sentCount: How much a session has been sent so far; `nil` if it is gone.
    /// - Returns: The sessions that have to answer something now, the oldest first.
    mutating func written(_ position: WALPosition, sentCount: (ConnectionID) -> Int?) -> [ConnectionID] {
        var sessions: Set<ConnectionID> = []
        for key in takeWritten() {
            guard let session = records[key]?.session, let count = sentCount(session) else { continue }
            records[key]?.position = position
            records[key]?.sentBefore = count
            sessions.insert(session)
        }
        return sessions.sorted()
    }

    /// The record could not be written.
    ///
    /// - Returns: The keys that have no record because of that.
    mutating func writingFailed() -> Set<AdvisoryKey> {
        drop(takeWritten())
    }

    /// The session that was writing is gone. Whether it has written is not known, so it is written again.
    mutating func abandonWriting() {
        toWrite = takeWritten() + toWrite
    }

    /// No record can be written.
    ///
    /// - Returns: The keys that have none.
    mutating func failAll() -> Set<AdvisoryKey> {
        drop(records.filter { $0.value.position == nil }.map(\.key))
    }

    /// The keys whose records were being written and are still wanted: a key may have been released and granted again meanwhile.
    private mutating func takeWritten() -> [AdvisoryKey] {
        defer { beingWritten = [] }
        return beingWritten.filter { records[$0.key]?.number == $0.number }.map(\.key)
    }

    private mutating func drop(_ keys: [AdvisoryKey]) -> Set<AdvisoryKey> {
        for key in keys { records[key] = nil }
        return Set(keys)
    }

    // MARK: Confirming

    func isConfirmed(_ key: AdvisoryKey) -> Bool { records[key]?.isConfirmed == true }

    /// Whether there is no more to wait for than the session's answer.
    func isWritten(_ key: AdvisoryKey) -> Bool { records[key]?.position != nil }

    /// Whether the key has a record that is not on the disk.
    func isUnwritten(_ key: AdvisoryKey) -> Bool { records[key].map { $0.position == nil } ?? false }

    /// The session of the lock has answered.
    ///
    /// - Parameter answeredCount: How much of what it was sent.
    /// - Returns: Whether it has to answer more.
    mutating func confirm(_ key: AdvisoryKey, answeredCount: Int) -> Bool {
        guard let record = records[key], record.position != nil, !record.isConfirmed else { return false }
        records[key]?.isConfirmed = answeredCount > record.sentBefore
        return answeredCount <= record.sentBefore
    }

    /// The token of a holder that the key is given out to.
    mutating func takeToken(_ key: AdvisoryKey) -> (position: WALPosition, index: UInt32)? {
        guard let record = records[key], let position = record.position else { return nil }
        // The holder after the last one gets a position of its own.
        if record.nextIndex < .max { records[key]?.nextIndex += 1 } else { records[key] = nil }
        return (position, record.nextIndex)
    }

    // MARK: New tokens for what is held

    /// The call waits for a token that is greater than the tokens of all holders that have shared the lock.
    mutating func renew(_ key: AdvisoryKey, for call: RequestID, on session: ConnectionID) {
        _ = drop(key)
        renewals[key, default: []].append(call)
        _ = begin(key, on: session)
    }

    /// The call has ended or got its grant, so it wants no further token.
    mutating func endRenewal(of call: RequestID, _ grant: Confirmations.Grant?) {
        guard let grant, grant.holder != call, let key = grant.key else { return }
        renewals[key]?.removeAll { $0 == call }
        if renewals[key]?.isEmpty == true { renewals[key] = nil }
    }

    // MARK: Releasing

    /// The lock is released: its record is not valid for the next grant.
    ///
    /// - Returns: The calls that wait for a new token of it.
    mutating func drop(_ key: AdvisoryKey) -> [RequestID] {
        guard !records.isEmpty, records.removeValue(forKey: key) != nil else { return [] }
        return renewals[key] ?? []
    }

    /// The session is gone, with the locks on it.
    ///
    /// - Returns: The calls that wait for a new token of one of them.
    mutating func drop(on session: ConnectionID) -> [RequestID] {
        guard !records.isEmpty else { return [] }
        let lost = records.filter { $0.value.session == session }.map(\.key)
        for key in lost { records[key] = nil }
        return lost.flatMap { renewals[$0] ?? [] }.sorted()
    }
}
