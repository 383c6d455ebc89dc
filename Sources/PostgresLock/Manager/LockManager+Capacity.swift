import LockCore

extension LockManager.Configuration {
    /// How many keys a manager may lock at a time.
    ///
    /// The server keeps the locks of all sessions in one table. When that is full, it refuses every lock, also those of tables: the
    /// statements of other clients fail, and new connections. So a manager uses only a part of the table, half of it by default, and
    /// fails requests for more with ``LockError/Code/capacity``.
    ///
    /// The part is for all sessions of the server together, whichever managers and programs they belong to: a manager that has
    /// more than a sixteenth of the table asks the server how many locks there are before it takes more. Calls wait for the
    /// answer, which takes the server a millisecond for each thousand locks, and a manager that grows by many keys asks several
    /// times, with pauses. What each manager may have without asking is not limited together: with dozens of managers that have
    /// hundreds of keys each, set ``keys(_:)``. A deadline that comes while a call waits for the answer ends it with
    /// ``LockError/Code/noAnswer``.
    ///
    /// Every key that is held or asked for counts once, for all tasks that share it or wait for it. When the limit is reached, tasks that
    /// wait for locks of other processes go on waiting. A few of them, at most as many as the pool has connections, may exceed the limit,
    /// since the room may be taken by locks that they hold themselves. The locks of transactions and sessions count for the others, but
    /// are not limited: each may take any number of keys. Leave room for them.
    public struct Capacity: Hashable, Sendable {
        let core: Engine.Capacity

        /// This part of the server's lock table: more than 0, at most 1.
        ///
        /// The table's size is taken to be max_locks_per_transaction × (max_connections + max_prepared_transactions), which
        /// a server always has room for. It is asked for at every connect, so a change counts after the next one.
        public static func fraction(_ fraction: Double) -> Capacity { Capacity(core: .fraction(fraction)) }

        /// This many keys, at least 1, whatever the size of the server's lock table, and whatever others have.
        public static func keys(_ count: Int) -> Capacity { Capacity(core: .keys(count)) }

        /// As many as the server has room for. Beyond that the statements of all clients fail, and the manager's calls with
        /// ``LockError/Code/lockTableFull``.
        public static let unlimited = Capacity(core: .unlimited)

        func validate() throws {
            switch core {
            case .fraction(let fraction) where !(fraction > 0 && fraction <= 1):
                throw LockError(.badConfiguration, "capacity is .fraction(\(fraction)), but must be more than 0, and at most 1.")
            case .keys(let count) where count < 1:
                throw LockError(.badConfiguration, "capacity is .keys(\(count)), but must be at least 1.")
            case .fraction, .keys, .unlimited:
                break
            }
        }
    }
}
