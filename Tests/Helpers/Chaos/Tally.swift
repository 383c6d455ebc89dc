/// The number of events of each kind.
package struct Tally: Sendable, CustomStringConvertible {
    package private(set) var calls = 0
    package private(set) var exclusive = 0
    package private(set) var shared = 0
    package private(set) var ofTransactions = 0
    package private(set) var losses = 0
    package private(set) var accepted = 0
    package private(set) var refused = 0
    package private(set) var failedWrites = 0
    package private(set) var reads = 0
    package private(set) var outcomes: [String: Int] = [:]

    mutating func note(_ kind: ChaosEvent.Kind) {
        switch kind {
        case .begun: calls += 1
        case .held(_, _, _, let isExclusive, _): if isExclusive { exclusive += 1 } else { shared += 1 }
        case .heldByTransaction(_, _, _, let isExclusive):
            ofTransactions += 1
            if isExclusive { exclusive += 1 } else { shared += 1 }
        case .notHeld: losses += 1
        case .accepted: accepted += 1
        case .refused: refused += 1
        case .writeFailed: failedWrites += 1
        case .read: reads += 1
        case .ended(_, let outcome): outcomes[outcome, default: 0] += 1
        case .started, .granted, .stillHeld, .finished, .ran, .ranToEnd, .skipped: break
        }
    }

    /// Whether there is some of all without which a run has checked nothing. What workers note as accepted is in the table.
    package var isComplete: Bool { [calls, exclusive, shared, ofTransactions, reads, accepted].allSatisfy { $0 > 0 } }

    package var outcomesText: String {
        outcomes.sorted { $0.value > $1.value }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    package var description: String {
        """
        \(calls) calls, \(exclusive) exclusive and \(shared) shared locks, \(losses) losses noticed; \
        writes: \(accepted) accepted, \(refused) refused, \(failedWrites) failed
        """
    }
}
