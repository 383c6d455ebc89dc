/// Finds the number of a key's entry.
///
/// A hash table with open addressing and linear probing, from which entries are removed by moving back those behind them (Knuth, The Art of
/// Computer Programming, volume 3, section 6.4, algorithm R). `Dictionary` does the same with SipHash, which takes most of the time of a look-up,
/// of which each lock makes five. The hash is the upper bits of a product with a random factor (Dietzfelbinger, Hagerup, Katajainen and Penttonen,
/// Journal of Algorithms 25, 1997): any two keys have the same place no more than twice as often as by chance.
struct KeyIndex: Sendable {
    private struct Slot: Sendable {
        var key: AdvisoryKey
        /// -1 if the slot is free. (A slot takes 16 bytes with the key.)
        var number: Int32 = -1
    }

    /// Odd.
    private let factor = UInt64.random(in: .min ... .max) | 1
    /// What the key space adds.
    private let offset = UInt64.random(in: .min ... .max)
    /// Their number is a power of two, and at most half of them are in use.
    private var slots = Self.free(8)
    /// How many bits of a product are not used.
    private var shift = UInt64(UInt64.bitWidth - 3)
    private(set) var count = 0

    private static func free(_ count: Int) -> [Slot] { [Slot](repeating: Slot(key: AdvisoryKey(0)), count: count) }

    subscript(key: AdvisoryKey) -> Int? {
        let slot = slots[place(of: key)]
        return slot.number < 0 ? nil : Int(slot.number)
    }

    /// - Parameter number: At least 0. Kept if the key has none.
    /// - Returns: The key's number.
    mutating func insert(_ key: AdvisoryKey, orElse number: Int) -> Int {
        var place = place(of: key)
        guard slots[place].number < 0 else { return Int(slots[place].number) }
        if 2 * (count + 1) > slots.count {
            grow()
            place = self.place(of: key)
        }
        slots[place] = Slot(key: key, number: Int32(number))
        count += 1
        return number
    }

    mutating func remove(_ key: AdvisoryKey) {
        var hole = place(of: key)
        guard slots[hole].number >= 0 else { return }
        count -= 1
        var next = successor(hole)
        while slots[next].number >= 0 {
            // A key is moved to the hole unless its own place comes after it.
            if (next &- home(slots[next].key)) & mask >= (next &- hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = successor(next)
        }
        slots[hole].number = -1
    }

    private mutating func grow() {
        let old = slots
        slots = Self.free(2 * old.count)
        shift -= 1
        for slot in old where slot.number >= 0 { slots[place(of: slot.key)] = slot }
    }

    private var mask: Int { slots.count - 1 }

    private func successor(_ place: Int) -> Int { (place + 1) & mask }

    /// Where the key is, or is to be inserted.
    private func place(of key: AdvisoryKey) -> Int {
        var place = home(key)
        while slots[place].number >= 0, slots[place].key != key { place = successor(place) }
        return place
    }

    /// The key's first place.
    private func home(_ key: AdvisoryKey) -> Int {
        let product = UInt64(bitPattern: key.bits) &* factor &+ (key.space == .int8 ? 0 : offset)
        return Int(truncatingIfNeeded: product >> shift)
    }
}
