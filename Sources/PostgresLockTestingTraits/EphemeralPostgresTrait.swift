public import PostgresLockTesting
public import Testing

/// Gives each test a database on a throwaway PostgreSQL server: `.ephemeralPostgres`.
///
/// A test finds its database in `EphemeralDatabase.current`.
public struct EphemeralPostgresTrait: SuiteTrait, TestTrait, TestScoping {
    /// The options of a server for each test alone; `nil` for the server that the tests of the process share.
    private let options: EphemeralPostgres.Options?

    fileprivate init(_ options: EphemeralPostgres.Options?) {
        self.options = options
    }

    /// The trait of a suite applies to each of its tests.
    public var isRecursive: Bool { true }

    /// Runs a test with its database.
    ///
    /// - Parameters:
    ///   - test: The test.
    ///   - testCase: The case of the test; `nil` for a suite, and for a test as a whole.
    ///   - function: The test's function.
    /// - Throws: What the test throws, or an `EphemeralPostgresError` if the server or the database can't be made.
    public func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        guard let options else {
            return try await run(function, on: try await SharedPostgres.get())
        }
        try await EphemeralPostgres.withServer(options) { server async throws in
            try await run(function, on: server)
        }
    }

    private func run(_ function: @Sendable () async throws -> Void, on server: EphemeralPostgres) async throws {
        try await server.withDatabase { database async throws in
            try await CurrentDatabase.$value.withValue(database) { try await function() }
        }
    }
}

extension Trait where Self == EphemeralPostgresTrait {
    /// Each test has a database of its own, on a temporary server that the tests of the process share. The server starts with the first of these
    /// tests, and is removed when the process ends.
    ///
    /// ```swift
    /// import PostgresLock
    /// import PostgresLockTesting
    /// import PostgresLockTestingTraits
    /// import Testing
    ///
    /// @Test(.ephemeralPostgres)
    /// func exclusion() async throws {
    ///     let database = try EphemeralDatabase.current
    ///     let locks = try LockManager(configuration: .init(url: database.connectionString))
    ///     try await locks.withLock("nightly-report") { lock in #expect(lock.isHeld) }
    ///     await locks.shutdown()
    /// }
    /// ```
    public static var ephemeralPostgres: EphemeralPostgresTrait { EphemeralPostgresTrait(nil) }

    /// Each test has a database on a temporary server for it alone, for tests that need settings, or that stop the server.
    ///
    /// - Parameter options: The server's options.
    public static func ephemeralPostgres(_ options: EphemeralPostgres.Options) -> EphemeralPostgresTrait {
        EphemeralPostgresTrait(options)
    }
}

extension EphemeralDatabase {
    /// The database of the running test. Tasks that the test starts find it too, except detached ones.
    ///
    /// - Throws: An `EphemeralPostgresError` if the test has not the trait `.ephemeralPostgres`.
    public static var current: EphemeralDatabase {
        get throws {
            guard let database = CurrentDatabase.value else {
                throw EphemeralPostgresError(.noDatabase, "The test has no database: give it, or its suite, the trait .ephemeralPostgres.")
            }
            return database
        }
    }
}

private enum CurrentDatabase {
    @TaskLocal static var value: EphemeralDatabase?
}

/// The server that the tests of a process share. A cleanup process removes it when the process ends.
private enum SharedPostgres {
    private static let starting = Task { try await EphemeralPostgres.start() }

    static func get() async throws -> EphemeralPostgres {
        try await starting.value
    }
}
