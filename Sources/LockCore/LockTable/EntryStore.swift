/// The entries of all keys that are in use. An entry keeps its index for as long as it is in use, so a request that has the index needs no
/// second look-up of the key.
struct EntryStore: Sendable {
    private var indices = KeyIndex()
    /// Those at the indices of ``free`` are not in use.
    private var entries: [LockTable.Entry] = []
    private var free: [Int] = []

    var isEmpty: Bool { indices.count == 0 }

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
        let count = indices.count
        let index = indices.insert(key, orElse: free.last ?? entries.count)
        guard indices.count > count else { return index }
        if index < entries.count {
            free.removeLast()
            entries[index] = LockTable.Entry(key)
        } else {
            entries.append(LockTable.Entry(key))
        }
        return index
    }

    mutating func remove(_ index: Int) {
        indices.remove(entries[index].key)
        free.append(index)
    }

    /// In use, in the order of their indices.
    var living: some Sequence<LockTable.Entry> {
        entries.indices.lazy.filter { indices[entries[$0].key] == $0 }.map { entries[$0] }
    }
}
