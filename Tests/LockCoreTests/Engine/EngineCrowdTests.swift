import LockCore
import Testing

/// Quadratic work would take minutes here.
///
/// Without suspension points these tests take seconds each. Two at a time would have all threads of a machine with two cores, and calls of other
/// tests would reach their limits.
@Suite("Forty thousand contended keys", .serialized)
struct EngineCrowdTests {
    private static let count = 40_000

    /// All wait, and have been polled once.
    private func crowd() -> EngineScript {
        var script = EngineScript(maximumConnections: 8) { $0.batchSize = 1_000_000 }
        script.on {
            for number in 0..<Self.count {
                $0.acquire(RequestID(UInt64(number)), .init(AdvisoryKey(Int64(number)), .exclusive), now: $1)
            }
        }
        var actions = script.connected(1)
        actions = script.answered(1, rows: refusals(actions))
        for case .connect(let id, _) in actions { script.connected(id) }
        return script
    }

    private func refusals(_ actions: [Engine.Action]) -> [Bool] {
        Array(repeating: false, count: actions.keys.count)
    }

    @Test("forty thousand contended keys are all polled in a bounded number of rounds")
    func pollRounds() {
        var script = crowd()
        var polled: Set<AdvisoryKey> = []
        for _ in 1...10 {
            let actions = script.passToNextWake()
            #expect(actions.keys.count <= 4000)
            polled.formUnion(actions.keys)
            script.answered(1, rows: refusals(actions))
        }
        // All but the keys that have a waiting session, of which there are at most six.
        #expect(polled.count >= Self.count - 6)
    }

    @Test(
        "forty thousand contended keys are cancelled in time that grows only with their number",
        arguments: ["first", "last", "mixed", "all together"]
    )
    func cancelled(order: String) {
        var script = crowd()
        var ids = (0..<UInt64(Self.count)).map { RequestID($0) }
        var random = SplitMix64(seed: 1)
        switch order {
        case "last": ids.reverse()
        case "mixed": ids.shuffle(using: &random)
        default: break
        }
        let clock = ContinuousClock()
        let duration = clock.measure {
            if order == "all together" {
                script.on { engine, now in
                    for id in ids { engine.cancel(id, now: now) }
                }
            } else {
                for id in ids { script.cancel(id) }
            }
        }
        print("cancelled \(Self.count), \(order): \(duration)")
        #expect(script.waitingCount == 0)
        #expect(duration < .seconds(300))
    }
}
