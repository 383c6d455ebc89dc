import LockCore
import Testing

@testable import PostgresLock

@Suite("The protocol of requests to release")
struct ReleaseProtocolTests {
    @Test("what a request's name says is read again; it fits into a name, whatever the numbers", arguments: [Int32.max, 1])
    func names(process: Int32) {
        for key in [AdvisoryKey(.min), AdvisoryKey(-1), AdvisoryKey(42), AdvisoryKey(.min, .max), AdvisoryKey(1, 42)] {
            for number in [UInt32.min, 7, .max] {
                let request = Engine.ReleaseRequest(key: key, number: number)
                let name = ReleaseProtocol.name(request, to: process)
                #expect(name.utf8.count <= InstanceName.limit)
                #expect(ReleaseProtocol.request(in: name[...], to: process) == request)
                #expect(ReleaseProtocol.request(in: name[...], to: process - 1) == nil)
            }
        }
    }

    @Test("other names are no requests")
    func others() {
        for name in [
            "", "pglock release", "pglock release 1", "pglock release 1 1:zz 0", "pglock release 1 3:0000000000000001 0",
            "pglock release 1 1:0000000000000001", "pglock release 1 1:0000000000000001 0 0", "PGLOCK release 1 1:0000000000000001 0",
        ] {
            #expect(ReleaseProtocol.request(in: name[...], to: 1) == nil, "\(name)")
        }
    }

    @Test("the keys are those that the documentation gives to other languages")
    func keys() {
        func half(_ name: String) -> Int32 { Int32(truncatingIfNeeded: (LockKey(name).number ?? 0) >> 32) }
        #expect(ReleaseProtocol.mailbox(of: 4711) == LockKey(half("pglock:release"), 4711))
        #expect(ReleaseProtocol.answer(to: .max) == LockKey(half("pglock:released"), -1))
        #expect(ReleaseProtocol.since(AdvisoryKey(3, 5), seconds: 7) == LockKey(3 ^ 5 ^ half("pglock:since pair"), 7))
        #expect(ReleaseProtocol.since(AdvisoryKey(3 << 32 | 5), seconds: 7) == LockKey(3 ^ 5 ^ half("pglock:since"), 7))
    }
}
