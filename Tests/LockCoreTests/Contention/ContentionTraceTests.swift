import Testing

@testable import LockCore

@Suite("Contended keys, in random traces")
struct ContentionTraceTests {
    @Test(
        "the stages and the order of contended keys are those of a plain list, whatever happens",
        arguments: 1...20 as ClosedRange<UInt64>
    )
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var now = Instant(nanoseconds: 0)
        var contention = Contention()
        var model: [(key: AdvisoryKey, stage: Contention.Stage)] = []
        func stage(of key: AdvisoryKey) -> Contention.Stage? { model.first { $0.key == key }?.stage }
        func set(_ key: AdvisoryKey, _ stage: Contention.Stage) {
            for index in model.indices where model[index].key == key { model[index].stage = stage }
        }
        for _ in 0..<3000 {
            let key = AdvisoryKey(Int64.random(in: 0..<30, using: &random))
            let stage = stage(of: key)
            now = now.advanced(by: .milliseconds(Int.random(in: 0...40, using: &random)))
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1:
                contention.queue(key, .exclusive)
                contention.planPoll(using: &random, now: now)
                if stage == nil { model.append((key, .queued)) }
            case 2:
                #expect(contention.withdraw(key) == stage)
                switch stage {
                case .queued: model.removeAll { $0.key == key }
                case .polled: set(key, .polled(isWanted: false))
                case .waiting(let id), .ending(let id, _): set(key, .ending(on: id, .unwanted))
                case nil: break
                }
            case 3:
                let first = model.first { if case .queued = $0.stage { true } else if case .polled = $0.stage { true } else { false } }
                let begun = contention.beginNext(on: 5)
                #expect(begun == (first?.stage == .queued ? first?.key : nil))
                if let begun { set(begun, .waiting(on: 5)) }
            case 4:
                let end = [Contention.End.renewed, .yielding][Int.random(in: 0...1, using: &random)]
                guard stage == .waiting(on: 5) else { continue }
                contention.end(key, on: 5, end)
                set(key, .ending(on: 5, end))
            case 5:
                switch stage {
                case .waiting: model.removeAll { $0.key == key }
                case .ending(_, .unwanted): model.removeAll { $0.key == key }
                case .ending(_, .renewed): set(key, .waiting(on: 5))
                case .ending(_, .yielding):
                    model.removeAll { $0.key == key }
                    model.append((key, .queued))
                case .queued, .polled, nil: continue
                }
                contention.failed(key, on: 5, isEnded: true)
                _ = contention.verified(key, on: 5)
            case 6:
                let goesOn = contention.tried(key, isGranted: Bool.random(using: &random), using: &random, now: now)
                guard case .polled(let isWanted) = stage else {
                    #expect(!goesOn)
                    continue
                }
                #expect(isWanted || !goesOn)
                if goesOn { set(key, .queued) } else { model.removeAll { $0.key == key } }
            default:
                guard contention.takePlannedPoll(now: now) else { continue }
                #expect(!model.contains { if case .polled = $0.stage { true } else { false } }, "One poll is under way at a time.")
                for (key, _) in contention.beginPoll(limit: Int.random(in: 0...10, using: &random)) {
                    #expect(model.contains { $0.key == key && $0.stage == .queued })
                    set(key, .polled(isWanted: true))
                }
                contention.planPoll(using: &random, now: now)
            }
            let polled = model.count { if case .polled = $0.stage { true } else { false } }
            let queued = model.count { $0.stage == .queued }
            #expect(contention.count == model.count)
            #expect(contention.queuedCount == queued + polled)
            #expect(contention.polls.unansweredCount == polled)
            let isPollToCome = polled > 0 || contention.polls.plannedAt != nil || contention.polls.isDue
            #expect(queued == 0 || isPollToCome)
            #expect(model.allSatisfy { contention.stage(of: $0.key) == $0.stage })
        }
        #expect(contention.takeBroken().isEmpty)
    }
}
