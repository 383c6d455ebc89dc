import LockCore

/// The calls that have no outcome yet, and the locks that are held, by their identifiers.
///
/// Not a ``RequestMap``: generic code of another module is not specialized here, and takes several times as long.
struct CallTable {
    private var slots: [PendingCall?] = []
    private var ids = RequestIDs()

    /// Keeps a call.
    ///
    /// - Returns: The call's identifier.
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

    /// How many there may be.
    var slotCount: Int { slots.count }

    var all: some Sequence<PendingCall> { slots.lazy.compactMap(\.self) }

    /// - Parameter call: One that is in the table.
    mutating func remove(_ call: PendingCall) {
        slots[call.id.slot] = nil
        ids.recycle(call.id)
    }
}
