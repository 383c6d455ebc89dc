import LibPQ
import LockCore
package import LockServerModel
public import Logging
public import PostgresLock

/// A lock server in memory, for unit tests of code that locks. It needs no PostgreSQL and no network, and starts at once.
///
/// ```swift
/// let server = InMemoryLockServer()
/// let (here, there) = (try server.makeManager(), try server.makeManager())
/// try await there.withLock("nightly-report") { _ in
///     let hasRun = try await here.withLockIfAvailable("nightly-report") { _ in true }
///     assert(hasRun == nil)
/// }
/// ```
///
/// Each `LockManager` of the server behaves as in a process of its own. It is the manager that runs in production, with the same
/// decisions; only the server at its other end is a model of PostgreSQL's advisory locks: modes, the order of waits, sessions that die
/// or fall silent, a lock table with an end. So whatever a manager does with locks works: waits, timeouts, cancellation, several locks
/// together, sessions, leases, fencing tokens. The test can provoke what is rare, for example by ``endSessions(of:)``,
/// ``stopAnswering(_:)`` or ``refuseConnections(_:)``, and can have a time of its own (``Time/manual``).
///
/// **SQL is refused.** Transactions and sessions take locks, but a statement of their bodies fails with
/// `statementFailed`. Test these with ``EphemeralPostgres``.
///
/// **Lifetime.** A server keeps nothing outside of the process. It lives as long as the test or one of its managers refers to it. A manager that is
/// released without a shutdown ends its sessions.
///
/// Unchecked, because all that changes is touched on the queue of the timeline only.
public final class InMemoryLockServer: @unchecked Sendable {
    let timeline: InMemoryTimeline
    let model: SimulatedServer
    let record = ServerRecord()
    /// What managers are told of the server.
    let facts: SessionFacts
    let lockTableSize: Int?
    private let body: @Sendable (String) -> SimulatedBody

    private var links: [InMemoryLink] = []
    private var linkCount = 0
    /// The numbers of the managers' links.
    private var numbers: [ObjectIdentifier: Int] = [:]
    var isSilent = false
    var refusal: ConnectionRefusal?
    var isDown = false
    var answerDelay = Duration.zero
    /// The work that sessions were asked for; of checked-out sessions only the statements of bodies. Kept for the package's own tests only.
    private(set) var works: [Engine.Work]?

    /// Makes a server without any locks.
    ///
    /// - Parameters:
    ///   - lockTableSize: How many locks the server's lock table has room for. `nil` for any number.
    ///   - time: Whose time it is.
    public convenience init(lockTableSize: Int? = nil, time: Time = .real) {
        self.init(lockTableSize: lockTableSize, time: time, keepsWork: false) { _ in .refused(.noSQL) }
    }

    /// - Parameters:
    ///   - keepsWork: Whether ``works`` are kept.
    ///   - body: What the SQL of bodies means.
    package init(
        lockTableSize: Int? = nil,
        time: Time = .real,
        keepsWork: Bool = true,
        body: @escaping @Sendable (String) -> SimulatedBody
    ) {
        self.lockTableSize = lockTableSize
        self.body = body
        works = keepsWork ? [] : nil
        timeline = InMemoryTimeline(isManual: time.isManual)
        var behavior = ServerBehavior()
        behavior.lockTableSize = lockTableSize
        // PostgreSQL's default.
        behavior.deadlockTimeout = .seconds(1)
        model = SimulatedServer(agenda: timeline.agenda, chance: Chance(seed: 1), behavior: behavior, observer: record)
        facts = SessionFacts(databaseName: "the lock server in memory", lockTableSize: lockTableSize)
    }

    // MARK: Managers

    /// Makes a lock manager, which behaves as in a process of its own.
    ///
    /// - Parameters:
    ///   - configuration: The manager's. What says where the server is, and who the user is, has no effect.
    ///   - logger: As for `LockManager.init(configuration:logger:)`.
    /// - Throws: `LockError` with the code `badConfiguration`, which says what is wrong.
    public func makeManager(
        configuration: LockManager.Configuration = .init(),
        logger: Logger = Logger(label: "PostgresLock")
    ) throws -> LockManager {
        let number = nextNumber()
        let manager = try LockManager(configuration: configuration, logger: logger, clock: clock) { configuration, loop, _ in
            InMemoryTransport(to: self, self.makeLink(number, loop), configuration)
        }
        timeline.run { numbers[manager.identity] = number }
        return manager
    }

    /// Makes a manager of transactions. Their locks exclude those of all managers of the server.
    ///
    /// - Parameters:
    ///   - configuration: The manager's. What says where the server is, and who the user is, has no effect.
    ///   - logger: As for `LockManager.init(configuration:logger:)`.
    /// - Throws: `LockError` with the code `badConfiguration`, which says what is wrong.
    public func makeTransactionManager(
        configuration: TransactionLockManager.Configuration = .init(),
        logger: Logger = Logger(label: "PostgresLock")
    ) throws -> TransactionLockManager {
        let number = nextNumber()
        let manager = try TransactionLockManager(configuration: configuration, logger: logger, clock: clock) { configuration, loop, _ in
            InMemoryTransport(to: self, self.makeLink(number, loop), configuration)
        }
        timeline.run { numbers[manager.identity] = number }
        return manager
    }

    private var clock: LockClock { timeline.isManual ? LockClock(timeline) : .system }

    private func nextNumber() -> Int {
        timeline.run {
            linkCount += 1
            return linkCount
        }
    }

    private func makeLink(_ number: Int, _ loop: EventLoop) -> InMemoryLink {
        timeline.add(loop)
        return timeline.run {
            let link = InMemoryLink(number, loop, isSilent: isSilent)
            links.append(link)
            return link
        }
    }

    /// The links of a manager, or of all.
    func links(of manager: LockManager?) -> [InMemoryLink] {
        guard let manager else { return links }
        guard let number = numbers[manager.identity] else {
            preconditionFailure("The manager was not made by this server. Use the makeManager() of the same server.")
        }
        return links.filter { $0.number == number }
    }
}

// MARK: - For the transport

extension InMemoryLockServer {
    /// Runs `body` on the queue, as soon as it can pass.
    func send(over link: InMemoryLink, _ body: @escaping @Sendable () -> Void) {
        timeline.send { link.pass(body) }
    }

    /// Runs `body` on the manager's event loop, as soon as it can pass. On the queue.
    func answer(over link: InMemoryLink, _ body: @escaping @Sendable () -> Void) {
        link.pass({ [timeline] in timeline.submit(to: link.loop, body) }, after: answerDelay, timeline)
    }

    /// On the queue.
    func accept(_ process: Int, silenceLimit: Duration?) -> SimulatedServer.Acceptance {
        if isDown { return .refused(ConnectionRefusal.unreachable.failure) }
        return refusal.map { .refused($0.failure) } ?? model.accept(process: process, silenceLimit: silenceLimit)
    }

    /// - Parameter completion: Run on the manager's event loop when the session has ended, or its end can't be found out.
    func close(_ id: ConnectionID, over link: InMemoryLink, completion: @escaping @Sendable () -> Void) {
        timeline.send { [timeline] in
            let session = link.sessions[id]
            link.pass { link.sessions.removeValue(forKey: id)?.receiveClose() }
            timeline.when({ link.isSilent || session?.isAlive != true }) { timeline.submit(to: link.loop, completion) }
        }
    }

    /// The manager is gone.
    func remove(_ link: InMemoryLink) {
        timeline.remove(link.loop)
        timeline.send { [self] in
            link.leave()
            numbers = numbers.filter { $0.value != link.number }
            removeEndedLinks()
        }
    }

    /// While a link is silent, the server does not learn that the manager is gone.
    func removeEndedLinks() {
        links.removeAll { $0.isGone && !$0.isSilent }
    }

    func meaning(of sql: String) -> SimulatedBody { body(sql) }

    /// On the queue.
    func note(_ work: Engine.Work) { works?.append(work) }
}

extension Failure {
    fileprivate static let noSQL = Failure(
        .statement,
        """
        A server in memory has locks only, and runs no SQL. Test code that runs SQL under a lock with EphemeralPostgres, which is a real \
        server.
        """,
        sqlState: "0A000"
    )
}
