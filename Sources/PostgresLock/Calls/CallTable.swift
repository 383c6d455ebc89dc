import LockCore

/// What somebody waits for, and the locks that are held, by their identifiers.
///
/// Not a ``RequestMap``, because generic code of another module is not specialized here, and costs several times as much.
struct CallTable {
    private var places: [PendingCall?] = []
    private var ids = RequestIDs()

    /// Names a call, and keeps it.
    mutating func insert(_ call: PendingCall) -> RequestID {
        let id = ids.make()
        if id.place == places.count {
            places.append(call)
        } else {
            places[id.place] = call
        }
        return id
    }

    subscript(id: RequestID) -> PendingCall? {
        guard id.place < places.count, let call = places[id.place], call.id == id else { return nil }
        return call
    }

    mutating func remove(_ id: RequestID) -> PendingCall? {
        guard let call = self[id] else { return nil }
        places[id.place] = nil
        ids.recycle(id)
        return call
    }
}
