import LockCore

/// A fencing token, as a process gets it.
struct SimulatedToken: Comparable {
    let position: WALPosition
    let index: UInt32

    static func < (one: Self, other: Self) -> Bool {
        (one.position, one.index) < (other.position, other.index)
    }
}
