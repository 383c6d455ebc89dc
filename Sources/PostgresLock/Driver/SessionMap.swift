import LockCore

/// Values by session, without hashing: a manager has a few sessions, and each lock looks several of these values up.
struct SessionMap<Value> {
    /// In the order of the sessions' numbers.
    private var elements: [(id: ConnectionID, value: Value)] = []

    var count: Int { elements.count }
    var isEmpty: Bool { elements.isEmpty }
    var values: some Sequence<Value> { elements.lazy.map(\.value) }

    func compactMapValues<Result>(_ transform: (Value) -> Result?) -> [ConnectionID: Result] {
        Dictionary(uniqueKeysWithValues: elements.compactMap { element in transform(element.value).map { (element.id, $0) } })
    }

    subscript(id: ConnectionID) -> Value? {
        get {
            let index = index(of: id)
            return index < elements.count && elements[index].id == id ? elements[index].value : nil
        }
        set {
            let index = index(of: id)
            let isKnown = index < elements.count && elements[index].id == id
            switch (newValue, isKnown) {
            case (let newValue?, true): elements[index].value = newValue
            case (let newValue?, false): elements.insert((id, newValue), at: index)
            case (nil, true): elements.remove(at: index)
            case (nil, false): break
            }
        }
    }

    mutating func remove(_ id: ConnectionID) -> Value? {
        defer { self[id] = nil }
        return self[id]
    }

    /// The place of the session, or where it is to be inserted.
    private func index(of id: ConnectionID) -> Int {
        var (low, high) = (0, elements.count)
        while low < high {
            let middle = (low + high) / 2
            if elements[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
