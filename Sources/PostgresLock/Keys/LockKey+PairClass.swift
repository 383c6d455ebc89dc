extension LockKey {
    /// The first number of the pairs that belong to a name: the upper half of a name's number.
    static func pairClass(_ name: String) -> Int32 {
        Int32(truncatingIfNeeded: (LockKey(name).number ?? 0) >> 32)
    }
}
