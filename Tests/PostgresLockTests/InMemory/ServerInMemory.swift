import Dispatch
import Testing

@testable import LockCore
@testable import LockSimulation
@testable import PostgresLock

/// The server of the simulation in real time, for any number of managers. It fails only where a test wants it.
///
/// Unchecked, because all that changes is touched on the queue only.
final class ServerInMemory: @unchecked Sendable {
    private let queue = DispatchQueue(label: "pglock.tests.server")
    private let start = ContinuousClock.now
    private let agenda = Agenda()
    private let ledger: Ledger
    private let model: SimulatedServer
    /// Conditions that are waited for, each with the action that follows.
    private var awaited: [(condition: () -> Bool, action: () -> Void)] = []
    private var wake: Instant?
    /// The failure of attempts to connect.
    private var refusal: Failure?
    /// The work that sessions were asked for; of checked-out sessions only the statements of bodies.
    private var works: [Engine.Work] = []

    let lockTableSize: Int?

    /// - Parameters:
    ///   - lease: After how long of silence it ends a session.
    ///   - lockTableSize: What it tells of the size of its lock table.
    init(lease: Duration = .seconds(30), lockTableSize: Int? = nil) {
        self.lockTableSize = lockTableSize
        ledger = Ledger(agenda: agenda)
        let profile = SimulationProfile(lease: lease)
        model = SimulatedServer(agenda: agenda, chance: Chance(seed: 1), profile: profile, ledger: ledger)
        model.isFaulty = false
    }

    // MARK: For the transport

    /// Runs `body` on the queue, behind what was sent before.
    func send(_ body: @escaping @Sendable (SimulatedServer) -> Void) {
        queue.async { [self] in
            catchUp()
            body(model)
            catchUp()
        }
    }

    /// On the queue.
    func accept() -> SimulatedServer.Acceptance {
        refusal.map { .refused($0) } ?? model.accept(process: 0)
    }

    /// On the queue.
    func note(_ work: Engine.Work) {
        works.append(work)
    }

    /// Runs `action` once the condition is true. On the queue.
    func when(_ condition: @escaping () -> Bool, _ action: @escaping () -> Void) {
        awaited.append((condition, action))
    }

    /// Runs the model up to now.
    private func catchUp() {
        let now = Instant(nanoseconds: start.duration(to: .now).clampedNanoseconds)
        while agenda.step(until: now) {}
        let due = awaited.filter { $0.condition() }
        awaited.removeAll { $0.condition() }
        for (_, action) in due { action() }
        guard let next = agenda.next, wake.map({ next < $0 || $0 <= now }) ?? true else { return }
        wake = next
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(now.duration(to: next).clampedNanoseconds))) { [weak self] in self?.catchUp() }
    }

    // MARK: For tests

    func manager(_ configuration: LockManager.Configuration = .init()) throws -> LockManager {
        try LockManager(configuration: configuration) { _, loop, _ in TransportInMemory(to: self, on: loop) }
    }

    func look<Result: Sendable>(_ body: @escaping @Sendable (SimulatedServer) -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            send { continuation.resume(returning: body($0)) }
        }
    }

    /// Waits until the condition is true.
    ///
    /// - Returns: Whether it has become true within half a minute.
    func reaches(_ condition: @escaping @Sendable (SimulatedServer) -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            send { [self] server in
                let end = agenda.now.advanced(by: .seconds(30))
                // Something is due then, so that the condition is looked at.
                agenda.plan(at: end) {}
                when({ [agenda] in condition(server) || agenda.now >= end }) { continuation.resume(returning: condition(server)) }
            }
        }
    }

    /// Waits until a session was asked for such work.
    func wasAsked(_ isWanted: @escaping @Sendable (Engine.Work) -> Bool) async -> Bool {
        await reaches { [self] _ in works.contains(where: isWanted) }
    }

    /// Waits until so many sessions wait for a lock.
    func hasWaiting(_ count: Int) async -> Bool {
        await reaches { $0.sessions.values.count(where: \.isBlocked) == count }
    }

    func holders(of key: LockKey) async -> Int {
        await look { $0.holders(of: key.advisory).count }
    }

    /// Attempts to connect fail from now on.
    func refuse(_ failure: Failure) async {
        await look { [self] _ in refusal = failure }
    }

    /// Ends all sessions.
    func endSessions() async {
        await look { $0.restart(after: .zero) }
    }

    /// Nothing holds or wants a lock, no session is open, and no rule of the model was broken.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async {
        let isEmpty = await reaches { $0.sessions.isEmpty && $0.lockedKeys.isEmpty }
        let (sessions, keys, violations) = await look { ($0.sessions.count, $0.lockedKeys, $0.ledger.violations) }
        #expect(isEmpty, "\(sessions) sessions, and the keys \(keys)", sourceLocation: sourceLocation)
        #expect(violations == [], sourceLocation: sourceLocation)
    }
}
