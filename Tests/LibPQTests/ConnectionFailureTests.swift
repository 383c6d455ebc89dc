import Testing

@testable import LibPQ

@Suite("Why a connection was not made")
struct ConnectionFailureTests {
    private static func line(_ state: String, _ text: String) -> String {
        """
        connection to server at "10.0.0.1", port 5432 failed: FATAL:  \(state): \(text)
        LOCATION:  auth_failed, auth.c:326

        """
    }

    private static let refused = "connection to server at \"10.0.0.2\", port 5432 failed: Connection refused\n"

    @Test("a failure has the server's SQLSTATE, and its message has neither that nor the place in the server's source")
    func code() {
        let failure = ConnectionFailure(connecting: Self.line("28P01", "password authentication failed for user \"u\""))
        #expect(failure.kind == .authentication)
        #expect(failure.sqlState == "28P01")
        #expect(
            failure.message
                == "connection to server at \"10.0.0.1\", port 5432 failed: FATAL: password authentication failed for user \"u\"."
        )
    }

    @Test(
        "only a few SQLSTATEs are permanent failures to connect",
        arguments: [
            ("28P01", .authentication), ("28000", .authentication), ("3D000", .refused), ("42501", .refused), ("0LP01", .refused),
            ("53300", .tooManyConnections), ("57P03", .unreachable), ("53200", .unreachable),
        ] as [(String, ConnectionFailure.Kind)]
    )
    func kinds(state: String, kind: ConnectionFailure.Kind) {
        let failure = ConnectionFailure(connecting: Self.line(state, "no"))
        #expect(failure.kind == kind)
        #expect(failure.sqlState == state)
    }

    @Test(
        "a statement that prepares a session is a permanent failure only if it would fail again",
        arguments: [
            ("57014", .unreachable), ("40P01", .unreachable), ("55P03", .unreachable), ("53200", .unreachable), ("58030", .unreachable),
            ("42501", .refused), ("42883", .refused), ("0A000", .refused), ("55000", .refused), ("XX000", .refused),
        ] as [(String, ConnectionFailure.Kind)]
    )
    func preparing(state: String, kind: ConnectionFailure.Kind) {
        let failure = ConnectionFailure(preparing: ServerError(severity: "ERROR", sqlState: state, message: "no"))
        #expect(failure.kind == kind)
        #expect(failure.sqlState == state)
        #expect(ConnectionFailure(preparing: ServerError(severity: "FATAL", sqlState: state, message: "no")).kind == .unreachable)
    }

    @Test("a failure to connect is permanent only if all hosts that libpq has tried refuse for the same reason")
    func unanimous() {
        let twice = ConnectionFailure(connecting: Self.line("28P01", "no") + Self.line("28000", "no"))
        #expect(twice.kind == .authentication)
        #expect(twice.sqlState == "28P01")
        #expect(ConnectionFailure(connecting: Self.line("28P01", "no") + Self.refused).kind == .unreachable)
        #expect(ConnectionFailure(connecting: Self.refused + Self.line("28P01", "no")).kind == .unreachable)
        let mixed = ConnectionFailure(connecting: Self.line("28P01", "no") + Self.line("3D000", "no"))
        #expect(mixed.kind == .unreachable)
        #expect(mixed.sqlState == "3D000")
        let none = ConnectionFailure(connecting: Self.refused)
        #expect(none.kind == .unreachable)
        #expect(none.sqlState == nil)
    }

    @Test("a missing password is an authentication failure, although the server was not asked")
    func noPassword() {
        let text = "connection to server at \"10.0.0.1\", port 5432 failed: fe_sendauth: no password supplied\n"
        #expect(ConnectionFailure(connecting: text).kind == .authentication)
    }

    private static func failures(_ kinds: ConnectionFailure.Kind...) -> [(name: String, failure: ConnectionFailure)] {
        kinds.enumerated().map { ("h\($0)", ConnectionFailure($1, "No \($0).", sqlState: "s\($0)")) }
    }

    @Test("the failure of several hosts has their common kind, or the one that says most about which host is the right one")
    func severalHosts() {
        #expect(ConnectionFailure(of: Self.failures(.authentication, .authentication)).kind == .authentication)
        #expect(ConnectionFailure(of: Self.failures(.authentication, .unreachable)).kind == .unreachable)
        #expect(ConnectionFailure(of: Self.failures(.refused, .authentication)).kind == .unreachable)
        #expect(ConnectionFailure(of: Self.failures(.unreachable, .tooManyConnections, .refused)).kind == .tooManyConnections)
        #expect(ConnectionFailure(of: Self.failures(.tooManyConnections, .standby, .unreachable)).kind == .standby)
        let another = ConnectionFailure(of: Self.failures(.standby, .anotherServer, .tooManyConnections))
        #expect(another.kind == .anotherServer)
        #expect(another.sqlState == "s1", "the code is that of the host that counts")
    }

    @Test("the failure of one host is that host's own, and without addresses it says so")
    func oneHost() {
        #expect(ConnectionFailure(of: Self.failures(.standby)) == ConnectionFailure(.standby, "No 0.", sqlState: "s0"))
        let none = ConnectionFailure(of: [])
        #expect(none.kind == .unreachable)
        #expect(none.message == "the name of the host has no address")
    }

    @Test("the failure of many hosts names the first five")
    func manyHosts() {
        var failures = Self.failures(.standby, .standby, .standby, .standby, .standby, .standby, .standby)
        failures[1].failure = ConnectionFailure(.standby, "connection to server at \"x\" failed.")
        let expected =
            "none of 7 hosts can be used: h0: No 0; connection to server at \"x\" failed; h2: No 2; h3: No 3; h4: No 4; and 2 more"
        #expect(ConnectionFailure(of: failures).message == expected)
        #expect(ConnectionFailure(of: Array(failures.prefix(5))).message.hasSuffix("h4: No 4"))
    }
}
