import LockCore

/// The right to use a lent connection, until the scope ends that it was lent to.
struct Loan: Sendable {
    let driver: LockDriver
    let connection: ConnectionID
    let scope: CheckedOutSession.Scope
    /// Ends with the scope; lost if the connection is.
    let ending: LeaseState
    /// What was taken since the scope began.
    let modes: HeldModes

    init(_ state: LentConnection, driver: LockDriver) {
        self.driver = driver
        connection = state.id
        scope = state.scope
        ending = state.ending
        modes = state.modes
    }
}
