extension LockManager {
    /// Ends the manager's work.
    ///
    /// New calls, and those that wait, fail with ``LockError/Code/shutDown``. Locks and transactions that are held may end
    /// in peace during the grace period; what is held after it is lost. Then the connections are closed. Returns when
    /// that is done; further calls wait for the same end, and the shortest of their grace periods counts. Called inside the body of a
    /// scope of the manager's own, it waits for that scope, to the end of the grace period.
    ///
    /// Cancelling the task ends the grace period at once.
    ///
    /// - Parameter gracePeriod: Instead of ``Configuration/Timeouts/shutdownGrace``.
    public func shutdown(gracePeriod: Duration? = nil) async {
        await driver.shutdown(gracePeriod: gracePeriod ?? configuration.timeouts.shutdownGrace)
    }
}
