import DequeModule

/// Calls in order of arrival, of which any may leave at any time.
///
/// Who has left keeps its place in the deque until the front reaches it, or until such places are the majority; so
/// leaving costs the same wherever one stands.
struct CallQueue: Sendable {
    private var order = Deque<RequestID>()
    private var members: Set<RequestID> = []

    var count: Int { members.count }
    var isEmpty: Bool { members.isEmpty }

    /// Those who are there, first come first.
    var elements: some Sequence<RequestID> { order.lazy.filter { [members] in members.contains($0) } }

    /// Who has waited longest.
    var first: RequestID? {
        mutating get {
            while let id = order.first {
                if members.contains(id) { return id }
                order.removeFirst()
            }
            return nil
        }
    }

    mutating func append(_ id: RequestID) {
        order.append(id)
        members.insert(id)
    }

    mutating func remove(_ id: RequestID) {
        guard members.remove(id) != nil, order.count > 2 * members.count + 32 else { return }
        order.removeAll { [members] in !members.contains($0) }
    }

    mutating func popFirst() -> RequestID? {
        while let id = order.popFirst() {
            if members.remove(id) != nil { return id }
        }
        return nil
    }

    mutating func removeAll() {
        self = CallQueue()
    }
}
