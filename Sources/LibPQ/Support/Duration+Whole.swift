extension Duration {
    /// How many units it takes, as libpq, `poll` and PostgreSQL's settings want it: rounded up, so that nothing ends too early, from 0
    /// to the most that 32 bits hold.
    package func whole(_ unit: Duration) -> Int32 {
        // A double holds every number of this range exactly.
        let count = (self / unit).rounded(.up)
        return count >= Double(Int32.max) ? .max : count > 0 ? Int32(count) : 0
    }
}
