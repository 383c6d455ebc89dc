import LockCore
import Testing

@Suite("The deadlines")
struct DeadlineQueueTests {
    @Test("deadlines come in order, and not before their time")
    func inOrder() {
        var queue = DeadlineQueue()
        for (id, at) in [(1, 30), (2, 10), (3, 20), (4, 10)] as [(UInt64, Int64)] {
            queue.insert(RequestID(id), at: Instant(nanoseconds: at))
        }
        #expect(queue.popDue(now: Instant(nanoseconds: 9)) { _ in true } == nil)
        var due: [RequestID] = []
        while let id = queue.popDue(now: Instant(nanoseconds: 20), isAlive: { _ in true }) { due.append(id) }
        #expect(due == [2, 4, 3])
        #expect(queue.earliest { _ in true }?.deadline == Instant(nanoseconds: 30))
    }

    @Test("deadlines of ended requests are passed over, and do not pile up")
    func ended() {
        var queue = DeadlineQueue()
        var living: Set<RequestID> = []
        var largest = 0
        for number: UInt64 in 0..<10_000 {
            let id = RequestID(number)
            living.insert(id)
            queue.insert(id, at: Instant(nanoseconds: Int64(number)))
            guard number >= 10 else { continue }
            living.remove(RequestID(number - 10))
            queue.noteEnded { living.contains($0) }
            largest = max(largest, queue.count)
        }
        #expect(largest < 200)
        #expect(queue.earliest { living.contains($0) }?.id == 9990)
    }

    @Test("deadlines never pile up, whatever the order of events", arguments: 0..<20 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var queue = DeadlineQueue()
        var living: [RequestID: Instant] = [:]
        var next: UInt64 = 0
        for step in 0..<2000 {
            let now = Instant(nanoseconds: Int64(step))
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                let deadline = Instant(nanoseconds: now.nanoseconds + Int64.random(in: 0..<500, using: &random))
                living[RequestID(next)] = deadline
                queue.insert(RequestID(next), at: deadline)
                next += 1
            case 2:
                guard let id = living.keys.min(by: { $0.rawValue < $1.rawValue }) else { continue }
                living[id] = nil
                queue.noteEnded { living[$0] != nil }
            default:
                while let id = queue.popDue(now: now, isAlive: { living[$0] != nil }) {
                    #expect(living.removeValue(forKey: id).map { $0 <= now } == true)
                    queue.noteEnded { living[$0] != nil }
                }
            }
            #expect(queue.earliest { living[$0] != nil }?.deadline == living.values.min())
            #expect(queue.count <= 2 * living.count + 66)
        }
    }
}
