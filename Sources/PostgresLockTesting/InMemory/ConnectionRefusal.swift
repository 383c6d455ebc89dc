import LockCore

/// How a server in memory refuses new connections: see ``InMemoryLockServer/refuseConnections(_:)``.
public struct ConnectionRefusal: Hashable, Sendable {
    let failure: Failure

    /// The server can't be reached, as if it did not run. Calls try again for `timeouts.unreachable`, and fail with `cannotConnect` then.
    public static let unreachable = ConnectionRefusal(failure: Failure(.unreachable, "Connection refused."))

    /// The password is wrong. Calls fail at once, with `authenticationFailed`.
    public static let wrongPassword = ConnectionRefusal(
        failure: Failure(.authentication, "Password authentication failed.", sqlState: "28P01")
    )

    /// The server has no connection left. Calls try again for `timeouts.unreachable`, and fail with `tooManyConnections` then.
    public static let tooManyConnections = ConnectionRefusal(
        failure: Failure(.tooManyConnections, "Sorry, too many clients already.", sqlState: "53300")
    )

    /// The server is a standby, which gives out no locks. Calls try again for `timeouts.unreachable`, and fail with `notPrimary` then.
    public static let standby = ConnectionRefusal(failure: Failure(.standby, "The server is a standby."))
}
