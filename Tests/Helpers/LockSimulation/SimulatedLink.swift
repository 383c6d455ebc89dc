import LockCore
import LockServerModel

/// The network between one connection of a process and its session. Each direction keeps its order.
final class SimulatedLink {
    let session: SimulatedSession
    var role: Engine.Role { didSet { useCount += 1 } }
    /// How often it has changed its role or was checked out.
    var useCount = 0
    private unowned let process: SimulatedProcess
    private let agenda: Agenda
    private let chance: Chance
    private let latency: ClosedRange<Duration>
    private var lastUp: Instant
    private var lastDown: Instant
    /// The client has closed it, or knows that it is gone.
    private(set) var isClosed = false
    /// It is gone, and the client may not have noticed.
    private var isCut = false
    /// Nothing passes any more, and neither side is told.
    private(set) var isDark = false
    private(set) var submittedCount = 0
    private var answeredCount = 0
    /// Tells the process that the connection is gone.
    var onLost: (Failure) -> Void = { _ in }

    init(from process: SimulatedProcess, to session: SimulatedSession, _ role: Engine.Role) {
        self.process = process
        self.session = session
        self.role = role
        agenda = process.agenda
        chance = process.chance
        latency = process.profile.latency
        lastUp = agenda.now
        lastDown = agenda.now
        session.onTermination = { [weak self] in
            self?.down { [weak self] in self?.lose(.lost) }
        }
    }

    /// Sends a statement; the reply comes back, unless the connection is lost before.
    func submit(_ statement: SimulatedStatement, reply: @escaping (SimulatedReply) -> Void) {
        submittedCount += 1
        up { [session, weak self] in
            session.receive(statement) { answer in
                self?.down { self?.answered(answer, reply) }
            }
        }
    }

    private func answered(_ answer: SimulatedReply, _ reply: (SimulatedReply) -> Void) {
        answeredCount += 1
        var answer = answer
        // The error of libpq.
        if answeredCount < submittedCount { answer.transaction = .unknown }
        reply(answer)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        // Also when nothing passes: the server finds out by its own checks.
        agenda.plan(at: max(lastUp, agenda.now.advanced(by: chance.skewedDuration(latency)))) { [session] in
            session.receiveClose()
        }
    }

    /// Whether the client may have been told that it is gone.
    var isLost: Bool { isClosed || isCut }

    // MARK: Faults

    /// The client is told at once, the server learns of it some time later.
    func cut() {
        guard !isClosed, !isCut else { return }
        agenda.plan(after: chance.duration(.zero ... .seconds(3))) { [session] in session.receiveClose() }
        lose(Failure(.connectionLost, "Connection reset by peer."))
    }

    /// The client is never told. The server ends the session some time later.
    func goDark() {
        guard !isClosed, !isDark else { return }
        isDark = true
        agenda.plan(after: chance.skewedDuration(.zero ... .seconds(60))) { [session] in session.terminate() }
    }

    private func lose(_ failure: Failure) {
        isCut = true
        process.meet { [weak self] in
            guard let self, !isClosed else { return }
            isClosed = true
            onLost(failure)
        }
    }

    // MARK: Delays

    private func up(_ action: @escaping () -> Void) {
        guard !isClosed, !isCut, !isDark else { return }
        lastUp = max(lastUp, agenda.now.advanced(by: chance.skewedDuration(latency)))
        // What was sent before the connection was closed still arrives.
        agenda.plan(at: lastUp) { [self] in
            if !isDark { action() }
        }
    }

    private func down(_ action: @escaping () -> Void) {
        guard !isClosed, !isCut, !isDark else { return }
        lastDown = max(lastDown, agenda.now.advanced(by: chance.skewedDuration(latency)))
        agenda.plan(at: lastDown) { [weak self] in
            guard let self, !isClosed, !isCut, !isDark else { return }
            process.meet { [weak self] in
                if self?.isClosed == false { action() }
            }
        }
    }
}
