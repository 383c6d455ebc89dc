/// The number by which PostgreSQL knows an advisory lock.
///
/// PostgreSQL has two key spaces that never meet: one 64-bit integer, or a pair of 32-bit integers.
package struct AdvisoryKey: Hashable, Comparable, Sendable {
    package enum Space: UInt8, Hashable, Sendable, CaseIterable {
        case int8
        case int4Pair
    }

    /// The number; of a pair, the first half in the upper 32 bits.
    package let bits: Int64
    // Last, so that what follows a key in a structure leaves no gap.
    package let space: Space

    package init(_ number: Int64) {
        space = .int8
        bits = number
    }

    package init(_ first: Int32, _ second: Int32) {
        space = .int4Pair
        bits = Int64(first) << 32 | Int64(UInt32(bitPattern: second))
    }

    package static func < (left: AdvisoryKey, right: AdvisoryKey) -> Bool {
        (left.space.rawValue, left.bits) < (right.space.rawValue, right.bits)
    }

    package var pair: (first: Int32, second: Int32) {
        (Int32(truncatingIfNeeded: bits >> 32), Int32(truncatingIfNeeded: bits))
    }
}

extension AdvisoryKey: CustomStringConvertible {
    package var description: String {
        switch space {
        case .int8: "\(bits)"
        case .int4Pair: "(\(pair.first), \(pair.second))"
        }
    }
}
