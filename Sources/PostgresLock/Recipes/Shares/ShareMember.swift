import LibPQ
import LockCore
import Logging

/// Takes part in the shares of one name for the time of a call: carries out what ``ShareMembership`` decides.
actor ShareMember {
    typealias Body = @Sendable (_ share: Int, _ lock: HeldLock) async throws -> Void

    private enum Event: Sendable {
        case leave
        /// - Parameter join: Which of the keys it was, since each has its own end.
        case lostKey(join: Int)
        /// - Parameter failure: The error that the body has ended with by itself.
        case ended(share: Int, failure: (any Error)?)
    }

    private nonisolated let mailbox = ShareMailbox<Event>()
    /// Its tries, many of which are refused, are no calls of users, so they are not observed.
    private let locks: LockManager
    private let keys: ShareKeys
    private let body: Body
    private var membership: ShareMembership
    private var bodies: [Int: Task<Void, Never>] = [:]
    private var joins = 0
    private var key: CopyableLockHandle?
    private var agreement: CopyableLockHandle?
    private var failure: (any Error)?

    /// - Parameter seed: Of the member's numbers.
    init(locks: LockManager, keys: ShareKeys, seed: UInt64 = .random(in: .min ... .max), body: @escaping Body) {
        self.locks = locks.unobserved
        self.keys = keys
        self.body = body
        membership = ShareMembership(
            count: keys.count,
            returnLimit: (locks.configuration.lease ?? .seconds(30)) + ShareMembership.grace,
            seed: seed,
            now: locks.driver.now
        )
    }

    /// The others take over; then the bodies are cancelled, and ``run()`` ends. Returns at once.
    nonisolated func leave() { mailbox.post(.leave) }

    /// Takes part until it is to leave, or a body fails.
    ///
    /// - Throws: What the body has thrown; ``LockError``; `CancellationError` if the task was cancelled.
    func run() async throws {
        // Not a part of this task, whose cancellation would cancel the bodies before the others can take over.
        let end = Task { try await takePart() }
        try await withTaskCancellationHandler {
            try await end.value
        } onCancel: {
            leave()
        }
        try Task.checkCancellation()
    }

    private func takePart() async throws {
        while true {
            for event in mailbox.take() { await note(event) }
            switch membership.next(now: locks.driver.now) {
            case .join(let id): await attempt { try await join(id) }
            case .look: await attempt { try await look() }
            case .take(let shares): await attempt { try await take(shares) }
            case .end(let shares): end(shares)
            case .hide: await hide()
            case .wait(let end): await mailbox.wait(until: end, locks.driver.clock)
            case .finish: return try await finish()
            }
        }
    }

    private func note(_ event: Event) async {
        let now = locks.driver.now
        switch event {
        case .leave:
            membership.leave(now: now)
        case .lostKey(let join):
            guard join == joins, key != nil else { return }
            membership.lostKey(now: now)
            log("the member of shared work is not seen by others any more")
            await hide()
        case .ended(let share, let failure):
            bodies[share] = nil
            membership.ended(share, now: now)
            if let failure { fail(failure) }
        }
    }

    /// Does what the server may refuse. An outage, a loss, or a look that an administrator has cancelled, is no reason to end.
    private func attempt(_ step: () async throws -> Void) async {
        do {
            try await step()
        } catch let error as LockError
            where error.isOutage && error.code != .shutDown || error.code == .lockLost || error.sqlState == "57014"
        {
            log("the shares of work stay as they are", reason: error.message)
            membership.failed(now: locks.driver.now)
        } catch {
            fail(error)
        }
    }

    private func fail(_ error: any Error) {
        failure = failure ?? error
        membership.leave(now: locks.driver.now)
    }

    // MARK: Steps

    private func join(_ id: UInt32) async throws {
        // First, so that of two members with different numbers of shares at least one sees the other.
        if agreement?.lock.isHeld != true {
            try? await agreement?.release()
            agreement = try await locks.tryAcquire(keys.agreement, mode: .shared)?.copyable()
            guard agreement != nil else {
                log("the number of shares can't be made known, because another session holds its lock exclusively")
                return membership.failed(now: locks.driver.now)
            }
        }
        guard let handle = try await locks.tryAcquire(keys.member(id))?.copyable() else {
            return membership.refused(now: locks.driver.now)
        }
        joins += 1
        key = handle
        membership.joined(now: locks.driver.now)
        handle.lock.state.observe(.end { [mailbox, joins] in mailbox.post(.lostKey(join: joins)) })
    }

    private func look() async throws {
        let begin = locks.driver.now
        let look = try await ShareLook.read(keys, by: locks)
        let end = locks.driver.now
        membership.looked(look, cost: begin.duration(to: end), now: end)
    }

    private func take(_ shares: [Int]) async throws {
        let tries = await ShareTries(shares.map(keys.share), on: locks.driver)
        for (index, state) in tries.granted { begin(shares[index], state) }
        let taken = tries.granted.keys.map { shares[$0] }.sorted()
        membership.took(taken, of: shares, now: locks.driver.now)
        if !taken.isEmpty { log("shares of work are taken", count: taken.count) }
        if let failure = tries.failure { throw failure }
    }

    private func begin(_ share: Int, _ state: LockState) {
        let run = ShareRun(driver: locks.driver, state: state, body: body)
        bodies[share] = Task { [mailbox] in mailbox.post(.ended(share: share, failure: await run.run(share))) }
    }

    private func end(_ shares: [Int]) {
        log("shares of work are given up", count: shares.count)
        for share in shares { bodies[share]?.cancel() }
    }

    /// A failed release ends the lock, too.
    private func hide() async {
        try? await key?.release()
        key = nil
    }

    private func finish() async throws {
        await hide()
        try? await agreement?.release()
        agreement = nil
        if let failure { throw failure }
        guard let other = membership.disagreement else { return }
        throw LockError(
            .shareMismatch,
            """
            "\(keys.name)" is divided into \(keys.count) shares here, but into \(other) by another process, so a share would be other work \
            there. Give the same number in all processes. To change it, end all of them first, or use another name.
            """,
            keys: [keys.agreement]
        )
    }

    private func log(_ message: Logger.Message, reason: String? = nil, count: Int? = nil) {
        var metadata: Logger.Metadata = [LogKey.name: "\(keys.name)"]
        if let reason { metadata[LogKey.reason] = "\(reason)" }
        if let count { metadata[LogKey.count] = "\(count)" }
        locks.driver.logger.debug(message, metadata: metadata)
    }
}
