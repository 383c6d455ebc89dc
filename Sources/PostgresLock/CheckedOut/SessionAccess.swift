import LockCore

/// The right to use a checked-out session, until the scope ends that it was lent to.
struct SessionAccess: Sendable {
    let driver: LockDriver
    let connection: ConnectionID
    let scope: CheckedOutSession.Scope
    /// Ends with the scope; lost if the connection is.
    let ending: LockState
    /// What was taken since the scope began.
    let modes: HeldModes

    init(_ state: CheckedOutConnection, driver: LockDriver) {
        self.driver = driver
        connection = state.id
        scope = state.scope
        ending = state.ending
        modes = state.modes
    }
}
