import Synchronization

/// Unique numbers for the calls and claims of all tasks.
final class Numbers: Sendable {
    private let last = Atomic(0)

    func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}
