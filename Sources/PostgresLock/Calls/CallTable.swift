import LockCore

/// What somebody waits for, and the locks that are held, by their identifiers.
///
/// Not a ``RequestMap``, because generic code of another module is not specialized here, and costs several times as much.
struct CallTable {
    private var slots: [PendingCall?] = []
    private var ids = RequestIDs()

    /// Names a call, and keeps it.
    mutating func insert(_ call: PendingCall) -> RequestID {
        let id = ids.make()
        if id.slot == slots.count {
            slots.append(call)
        } else {
            slots[id.slot] = call
        }
        return id
    }

    subscript(id: RequestID) -> PendingCall? {
        guard id.slot < slots.count, let call = slots[id.slot], call.id == id else { return nil }
        return call
    }

    mutating func remove(_ id: RequestID) -> PendingCall? {
        guard let call = self[id] else { return nil }
        slots[id.slot] = nil
        ids.recycle(id)
        return call
    }
}
