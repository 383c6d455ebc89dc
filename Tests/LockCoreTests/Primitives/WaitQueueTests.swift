import Testing

@testable import LockCore

@Suite("The queue of waiting keys and calls")
struct WaitQueueTests {
    @Test("the wait queue keeps the order of arrival, also of a key that has left and come again")
    func order() {
        var queue = WaitQueue<AdvisoryKey>()
        for key: AdvisoryKey in [1, 2, 3] { queue.append(key) }
        queue.remove(1)
        queue.append(1)
        #expect(queue.elements == [2, 3, 1])
        #expect(queue.first == 2)
        queue.remove(2)
        #expect(queue.first == 3)
        #expect(queue.count == 2)
    }

    @Test("the wait queue goes round in parts, with each key once per part, past keys that have left")
    func rotation() {
        var queue = WaitQueue<AdvisoryKey>()
        #expect(queue.nextPart(3) == [])
        for key: AdvisoryKey in [1, 2, 3, 4, 5] { queue.append(key) }
        #expect(queue.nextPart(0) == [])
        #expect(queue.nextPart(2) == [1, 2])
        queue.remove(3)
        #expect(queue.nextPart(2) == [4, 5])
        queue.append(6)
        #expect(queue.nextPart(2) == [6, 1])
        #expect(queue.nextPart(10) == [2, 4, 5, 6, 1])
    }

    @Test("the wait queue equals a plain array, whatever comes and goes", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var queue = WaitQueue<AdvisoryKey>()
        var model: [AdvisoryKey] = []
        for _ in 0..<2000 {
            let key = AdvisoryKey(Int64.random(in: 0..<100, using: &random))
            if let index = model.firstIndex(of: key) {
                model.remove(at: index)
                queue.remove(key)
            } else if Bool.random(using: &random) {
                model.append(key)
                queue.append(key)
            }
            #expect(queue.first == model.first)
            #expect(queue.count == model.count)
            if Int.random(in: 0..<20, using: &random) == 0 {
                let limit = Int.random(in: 1...50, using: &random)
                #expect(queue.isAmongFirst(limit, key) == model.prefix(limit).contains(key))
                let part = queue.nextPart(limit)
                #expect(part.count == min(limit, model.count))
                #expect(Set(part).count == part.count && Set(part).isSubset(of: model))
            }
        }
        #expect(queue.elements == model)
    }
}
