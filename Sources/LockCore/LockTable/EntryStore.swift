/// The entries of all keys that are in use. An entry keeps its index for as long as it is in use, so a request that has the index needs no
/// second look-up of the key.
struct EntryStore: Sendable {
    private var indices: [AdvisoryKey: Int] = [:]
    private var entries: [LockTable.Entry] = []
    private var free: [Int] = []

    var isEmpty: Bool { indices.isEmpty }

    func index(of key: AdvisoryKey) -> Int? {
        indices[key]
    }

    subscript(key: AdvisoryKey) -> LockTable.Entry? {
        indices[key].map { entries[$0] }
    }

    subscript(index: Int) -> LockTable.Entry {
        // Not `get`, which would copy the entry for each look at it.
        _read { yield entries[index] }
        _modify { yield &entries[index] }
    }

    /// The index of the key's entry, which is made if there is none.
    mutating func makeIndex(of key: AdvisoryKey) -> Int {
        if let index = indices[key] { return index }
        let index: Int
        if let last = free.popLast() {
            index = last
            entries[index] = LockTable.Entry(key)
        } else {
            index = entries.count
            entries.append(LockTable.Entry(key))
        }
        indices[key] = index
        return index
    }

    mutating func remove(_ index: Int) {
        indices[entries[index].key] = nil
        free.append(index)
    }

    /// In use, in no particular order.
    var living: some Sequence<LockTable.Entry> {
        indices.values.lazy.map { entries[$0] }
    }
}
