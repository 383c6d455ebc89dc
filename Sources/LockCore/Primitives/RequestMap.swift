/// Values by request, without hashing: a request's identifier contains the slot of its value.
///
/// The lower half of an identifier is a slot, the upper half counts the uses of the slot. So the identifier of an ended request finds
/// nothing, although its slot may be in use again. See ``RequestIDs``.
struct RequestMap<Value: Sendable>: Sendable {
    private struct Slot: Sendable {
        var id: RequestID
        var value: Value

        mutating func apply(_ change: (inout Value) -> Void) {
            change(&value)
        }
    }

    private var slots: [Slot?] = []
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    subscript(id: RequestID) -> Value? {
        get {
            guard id.slot < slots.count, let slot = slots[id.slot], slot.id == id else { return nil }
            return slot.value
        }
        set {
            guard let newValue else {
                removeValue(id)
                return
            }
            if id.slot >= slots.count {
                slots.append(contentsOf: repeatElement(nil, count: id.slot + 1 - slots.count))
            }
            if slots[id.slot] == nil { count += 1 }
            slots[id.slot] = Slot(id: id, value: newValue)
        }
    }

    @discardableResult
    mutating func removeValue(_ id: RequestID) -> Value? {
        guard let value = self[id] else { return nil }
        slots[id.slot] = nil
        count -= 1
        return value
    }

    /// Changes a value in place; has no effect if there is none.
    mutating func update(_ id: RequestID, _ change: (inout Value) -> Void) {
        guard id.slot < slots.count, slots[id.slot]?.id == id else { return }
        slots[id.slot]?.apply(change)
    }

    /// In the order of the slots, which does not differ from run to run.
    var elements: some Sequence<(id: RequestID, value: Value)> {
        slots.lazy.compactMap { $0.map { ($0.id, $0.value) } }
    }

    var values: some Sequence<Value> {
        slots.lazy.compactMap { $0?.value }
    }
}
