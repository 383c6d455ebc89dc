import Testing

@testable import LockCore

@Suite("Fencing records")
struct FencingRecordsTests {
    private static let early = WALPosition(timeline: 1, location: 100)
    private static let late = WALPosition(timeline: 1, location: 200)

    /// The session 1 has been sent five statements.
    private static func sentCount(_ id: ConnectionID) -> Int? { id == 1 ? 5 : nil }

    /// A record for the key 1 on the session 1, which is on the disk.
    private static func written() -> FencingRecords {
        var records = FencingRecords()
        #expect(records.begin(1, on: 1) == true)
        #expect(records.beginWriting() == true)
        #expect(records.written(early, sentCount: sentCount) == [1])
        return records
    }

    @Test("one record serves all keys that need one, and a key that has one needs no other")
    func shared() {
        var records = FencingRecords()
        #expect(records.beginWriting() == false)
        #expect(records.begin(1, on: 1) == true)
        #expect(records.begin(1, on: 1) == false)
        #expect(records.begin(2, on: 1) == true)
        #expect(records.isAnyToWrite)
        #expect(records.beginWriting() == true)
        #expect(!records.isAnyToWrite)
        #expect(records.isUnwritten(1) && records.isUnwritten(2))
        #expect(records.written(Self.early, sentCount: Self.sentCount) == [1])
        #expect(records.isWritten(1) && records.isWritten(2))
    }

    @Test("a record counts only when the session has answered something that it was sent after the record was there")
    func confirmation() {
        var records = Self.written()
        #expect(!records.isConfirmed(1))
        #expect(records.confirm(1, answeredCount: 5) == true)
        #expect(!records.isConfirmed(1))
        #expect(records.confirm(1, answeredCount: 6) == false)
        #expect(records.isConfirmed(1))
    }

    @Test("an answer confirms no record that is not on the disk yet")
    func unwritten() {
        var records = FencingRecords()
        #expect(records.begin(1, on: 1) == true)
        #expect(records.confirm(1, answeredCount: 100) == false)
        #expect(!records.isConfirmed(1))
        let token = records.takeToken(1)
        #expect(token == nil)
    }

    @Test("holders to whom the key is passed on get growing indices of one position")
    func indices() {
        var records = Self.written()
        for index: UInt32 in 0..<3 {
            let token = records.takeToken(1)
            #expect(token?.position == Self.early)
            #expect(token?.index == index)
        }
    }

    @Test("records whose session was lost while they were written are written again, ahead of the rest")
    func abandoned() {
        var records = FencingRecords()
        #expect(records.begin(1, on: 1) == true)
        #expect(records.beginWriting() == true)
        #expect(records.begin(2, on: 1) == true)
        records.abandonWriting()
        #expect(records.isAnyToWrite)
        #expect(records.beginWriting() == true)
        #expect(records.written(Self.late, sentCount: Self.sentCount) == [1])
        #expect(records.isWritten(1) && records.isWritten(2))
    }

    @Test("the position of an earlier grant of a key is not that of the next one")
    func tenures() {
        var records = FencingRecords()
        #expect(records.begin(1, on: 1) == true)
        #expect(records.beginWriting() == true)
        #expect(records.drop(1) == [])
        #expect(records.begin(1, on: 1) == true)
        #expect(records.written(Self.early, sentCount: Self.sentCount) == [])
        #expect(records.isUnwritten(1))
        #expect(records.beginWriting() == true)
        #expect(records.written(Self.late, sentCount: Self.sentCount) == [1])
        #expect(records.confirm(1, answeredCount: 6) == false)
        let token = records.takeToken(1)
        #expect(token?.position == Self.late)
    }

    @Test("a record that could not be written is forgotten, and what has come since is not")
    func failed() {
        var records = FencingRecords()
        #expect(records.begin(1, on: 1) == true)
        #expect(records.beginWriting() == true)
        #expect(records.begin(2, on: 1) == true)
        #expect(records.writingFailed() == [1])
        #expect(!records.isUnwritten(1) && records.isUnwritten(2))
        #expect(records.failAll() == [2])
        #expect(records.isEmpty)
    }

    @Test("no record is confirmed for a session that is gone when the position comes")
    func gone() {
        var records = FencingRecords()
        #expect(records.begin(1, on: 2) == true)
        #expect(records.beginWriting() == true)
        #expect(records.written(Self.early, sentCount: Self.sentCount) == [])
        #expect(!records.isWritten(1))
    }

    @Test("a loss drops the records of its own session, and returns the calls that wait for new tokens of them")
    func lost() {
        var records = Self.written()
        #expect(records.begin(2, on: 2) == true)
        records.renew(2, for: 8, on: 2)
        records.renew(1, for: 9, on: 1)
        records.renew(1, for: 7, on: 1)
        #expect(records.drop(on: 1) == [7, 9])
        #expect(!records.isWritten(1) && records.isUnwritten(2))
    }

    @Test("a new token of a held lock has a record of its own, and a release returns the calls that wait for one")
    func renewal() {
        var records = Self.written()
        #expect(records.confirm(1, answeredCount: 6) == false)
        records.renew(1, for: 7, on: 1)
        #expect(records.isUnwritten(1) && !records.isConfirmed(1))
        #expect(records.drop(1) == [7])
        records.renew(1, for: 8, on: 1)
        let grant = Confirmations.Grant(session: 1, holder: 2, key: 1)
        records.endRenewal(of: 7, grant)
        records.endRenewal(of: 8, grant)
        #expect(records.drop(1) == [])
    }
}
