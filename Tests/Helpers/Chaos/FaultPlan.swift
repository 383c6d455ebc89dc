import LockCore

/// The endless sequence of faults that a seed determines.
package struct FaultPlan: Sequence, IteratorProtocol {
    /// How often each kind occurs in each group of faults. Each group is shuffled, so that even a short run has every kind.
    private static let group: [Fault.Kind] = [
        .kill, .kill, .kill, .freeze, .freeze, .freeze, .freeze, .terminate, .terminate, .terminate, .terminate, .crash,
        .cut, .cut, .cut, .delay, .delay, .blackHole, .blackHole, .blackHole, .exhaustion,
    ]

    private let workers: Int
    private var generator: SplitMix64
    private var remaining: [Fault.Kind] = []

    package init(seed: UInt64, workers: Int) {
        self.workers = workers
        generator = SplitMix64(seed: seed)
    }

    package mutating func next() -> Fault? {
        if remaining.isEmpty { remaining = Self.group.shuffled(using: &generator) }
        let kind = remaining.removeLast()
        let milliseconds: ClosedRange<Int> =
            switch kind {
            case .crash: 0...1500
            case .exhaustion: 500...2000
            // Leases are one or two seconds, so some of these faults last longer than a lease.
            case .freeze, .blackHole, .delay: 300...4500
            case .kill, .terminate, .cut: 0...0
            }
        return Fault(
            kind: kind,
            worker: Int.random(in: 0..<workers, using: &generator),
            duration: .milliseconds(Int.random(in: milliseconds, using: &generator)),
            delay: .milliseconds([5, 50, 300, 1500].randomElement(using: &generator) ?? 5),
            count: Int.random(in: 1...4, using: &generator),
            pause: .milliseconds(Int.random(in: 200...3000, using: &generator))
        )
    }
}
