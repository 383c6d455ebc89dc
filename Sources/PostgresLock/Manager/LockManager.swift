import LibPQ
import LockCore
public import Logging

/// Lends out distributed locks, on PostgreSQL advisory locks.
///
/// ```swift
/// let locks = try LockManager(configuration: .init(url: "postgres://app@db/app"))
///
/// try await locks.withLock("nightly-report", timeout: .seconds(5)) { lock in
///     try await buildReport()
/// }
/// ```
///
/// A manager owns a small pool of connections, opened when they are needed. Nothing has to be started; when the process
/// ends in peace, call ``shutdown(gracePeriod:)``. Use one manager per database and process: tasks that share a manager
/// wait for each other in memory, and cost the server nothing.
///
/// Handles, and what runs inside a scope, keep the manager alive; a ``LockLease`` does not. A manager that nobody has any more closes
/// its connections, and what it held is released by the server.
///
/// A process that dies loses its locks, as soon as the server notices that the connection is gone.
public actor LockManager {
    /// What the manager was made with. A duration of more than a century counts as one.
    public nonisolated let configuration: Configuration

    nonisolated let loop = EventLoop(label: "pglock.loop")
    nonisolated let logger: LogRelay
    let transport: any LockTransport

    var engine: Engine
    /// The sessions that are open.
    var sessions: [ConnectionID: SessionFacts] = [:]
    var calls = CallTable()
    var lent: [ConnectionID: LentConnection] = [:]
    /// Connections that were lost before the task came to run that they were lent to, and why.
    var lostLoans: [ConnectionID: Failure] = [:]
    /// Those calls that are waited for together with others.
    var batchedCalls: [RequestID: CallBatch.Place] = [:]
    /// Where the server ends sessions that are silent for the lease.
    var proofs: [ConnectionID: ProofOfLife] = [:]
    var terminationWaiters: [CheckedContinuation<Void, Never>] = []
    var timer: LoopTimer?
    private var placesInLine = 0
    private nonisolated let database = Locked("the server")
    /// The time that this turn of the loop goes by.
    var turnTime: Instant?

    /// How often a lock statement returned an error although it had taken the lock, and how often it had not.
    package private(set) var provedAfterError = (held: 0, notHeld: 0)

    /// How many waits were ended and begun anew, because they held up others.
    package var renewedWaits = 0

    private var counts: LibPQTransport.Counts { (transport as? LibPQTransport)?.counts ?? .init() }
    /// The most connections that there have been at a time, those being made included.
    package var connectionPeak: Int { counts.connectionPeak }
    /// How many statements the engine has had sent.
    package var statementCount: Int { counts.statements }
    /// How often the server was asked whether waits hold up others.
    package var lookCount: Int { counts.looks }
    /// How many surveys of the hosts were begun.
    package var surveyCount: Int { counts.surveys }

    /// How many calls have neither got what they asked for nor failed.
    package var waitingCount: Int { engine.waitingCount }
    package var connectionCount: Int { engine.connectionCount }

    /// Makes a manager. Nothing is connected before the first lock is asked for.
    ///
    /// - Parameters:
    ///   - configuration: Where to connect, and what to allow.
    ///   - logger: Gets what happens to connections, at `info` or quieter, except for what somebody should look into. Its handler
    ///     may block: it gets the lines in their order on a thread of its own, and if it does not keep up, loses some.
    /// - Throws: ``LockError`` with the code ``LockError/Code/badConfiguration``, which says what is wrong.
    public init(configuration: Configuration = .init(), logger: Logger = Logger(label: "PostgresLock")) throws {
        try configuration.validate()
        let configuration = configuration.bounded
        self.configuration = configuration
        self.logger = LogRelay(logger)
        transport = LibPQTransport(configuration, on: loop, logger: self.logger)
        engine = Engine(configuration: configuration.engine)
        transport.onEvent = { [weak self] event in
            self?.assumeIsolated { $0.handle(event) }
        }
        loop.onBurstEnd { [weak self] in
            self?.assumeIsolated { $0.endTurn() }
        }
    }

    /// The manager runs on the event loop of its connections.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    /// The database, for messages.
    nonisolated var place: String {
        get { database.withLock { $0 } }
        set { database.withLock { $0 = newValue } }
    }

    /// Tells those apart who stand in line for a lent connection.
    func makePlaceInLine() -> Int {
        placesInLine += 1
        return placesInLine
    }

    func noteProof(held: Bool) {
        if held {
            provedAfterError.held += 1
        } else {
            provedAfterError.notHeld += 1
        }
    }
}
