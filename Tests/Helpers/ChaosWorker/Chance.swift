import LibPQ
import LockCore

/// The random decisions of one task, which its seed determines.
final class Chance: Sendable {
    private let generator: Locked<SplitMix64>

    init(_ generator: SplitMix64) {
        self.generator = Locked(generator)
    }

    func number(_ range: ClosedRange<Int>) -> Int {
        generator.withLock { Int.random(in: range, using: &$0) }
    }

    func happens(_ probability: Double) -> Bool {
        Double(number(0...999_999)) < probability * 1_000_000
    }

    func one<Element>(of elements: [Element]) -> Element {
        elements[number(0...elements.count - 1)]
    }
}
