import LibPQ
import LockCore
import LockServerModel

/// What connects one manager with a server in memory. Touched on the server's queue only.
///
/// Unchecked, for that reason.
final class InMemoryLink: @unchecked Sendable {
    /// Distinguishes the manager.
    let number: Int
    let loop: EventLoop
    var sessions: [ConnectionID: SimulatedSession] = [:]
    /// Whether nothing passes, and neither side is told.
    private(set) var isSilent: Bool
    /// Whether the manager is gone.
    private(set) var isGone = false
    /// What is held back meanwhile: the answers in their order, and what the manager has sent.
    private var answers: [() -> Void] = []
    private var requests: [() -> Void] = []
    /// When the latest answer comes.
    private var latestAnswer = Instant(nanoseconds: 0)

    /// How many messages of the manager have not reached the server yet.
    var heldRequestCount: Int { requests.count }

    init(_ number: Int, _ loop: EventLoop, isSilent: Bool) {
        self.number = number
        self.loop = loop
        self.isSilent = isSilent
    }

    func setSilent(_ isSilent: Bool) {
        self.isSilent = isSilent
        guard !isSilent else { return }
        if isGone { closeSessions() }
        let held = answers + requests
        (answers, requests) = ([], [])
        for body in held { body() }
    }

    /// The manager is gone, and its sessions end as soon as the server learns of that.
    func leave() {
        isGone = true
        // They refer to the link.
        (answers, requests) = ([], [])
        if !isSilent { closeSessions() }
    }

    private func closeSessions() {
        for session in sessions.values { session.receiveClose() }
        sessions = [:]
    }

    /// To the server.
    func pass(_ request: @escaping () -> Void) {
        guard !isGone else { return }
        if isSilent { requests.append(request) } else { request() }
    }

    /// To the manager, after a delay.
    func pass(_ answer: @escaping () -> Void, after delay: Duration, _ timeline: InMemoryTimeline) {
        let time = max(latestAnswer, timeline.agenda.now.advanced(by: delay))
        guard time > timeline.agenda.now else { return arrive(answer) }
        latestAnswer = time
        timeline.agenda.plan(at: time) { [self] in arrive(answer) }
    }

    private func arrive(_ answer: @escaping () -> Void) {
        guard !isGone else { return }
        if isSilent { answers.append(answer) } else { answer() }
    }
}
