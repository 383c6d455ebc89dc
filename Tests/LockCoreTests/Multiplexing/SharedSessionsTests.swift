import Testing

@testable import LockCore

@Suite("Work that waits for shared sessions")
struct SharedSessionsTests {
    private typealias Work = Engine.Work

    private static let failure = Failure.full
    private static let other = Failure(.statement, "Out of memory.")

    private static func with(_ ids: ConnectionID...) -> SharedSessions {
        var shared = SharedSessions()
        for id in ids { shared.insert(id) }
        return shared
    }

    private static func nextRound(_ shared: inout SharedSessions, at slot: Int = 0, withTries: Bool = true, size: Int = .max) -> [Work] {
        var round: [Work] = []
        shared.takeBatches(into: &round, at: slot, withTries: withTries, size: size)
        return round
    }

    private static func batch(_ verb: Engine.Batch.Kind.Verb, _ mode: Mode, _ keys: AdvisoryKey...) -> Work {
        .batch(Engine.Batch(.init(verb, mode, AdvisoryKey(1).space), keys))
    }

    // MARK: What a round takes

    @Test("a round releases before it tries, with one statement for each mode, and takes nothing twice")
    func order() {
        var shared = Self.with(1)
        shared.appendTry(1, .exclusive)
        shared.appendTry(2, .shared)
        shared.appendTry(3, .exclusive)
        #expect(shared.appendUnlock(4, .exclusive, on: 1) == true)
        #expect(shared.hasWork && shared.tryCount == 3 && !shared.isQuiet)
        #expect(
            Self.nextRound(&shared)
                == [
                    Self.batch(.unlock, .exclusive, 4), Self.batch(.tryLock, .shared, 2), Self.batch(.tryLock, .exclusive, 1, 3),
                ].sorted(by: Self.isBefore)
        )
        #expect(Self.nextRound(&shared) == [])
        #expect(!shared.hasWork && shared.isQuiet)
    }

    /// As ``Engine/Batch/Kind/all`` has them.
    private static func isBefore(_ one: Work, _ other: Work) -> Bool {
        guard case .batch(let one) = one, case .batch(let other) = other else { return false }
        return one.kind.index < other.kind.index
    }

    @Test("a key that is all there is to send is taken as one statement, which leaves nothing")
    func onlyKey() {
        var shared = Self.with(1, 2)
        #expect(shared.takeOnlyKey(at: 0) == nil)
        shared.appendTry(1, .shared)
        #expect(shared.takeOnlyKey(at: 0).map(Work.batch) == Self.batch(.tryLock, .shared, 1))
        #expect(shared.takeOnlyKey(at: 0) == nil && shared.isQuiet && !shared.hasWork)
        _ = shared.appendUnlock(2, .exclusive, on: 2)
        #expect(shared.takeOnlyKey(at: 0) == nil)
        #expect(shared.takeOnlyKey(at: 1).map(Work.batch) == Self.batch(.unlock, .exclusive, 2))
        #expect(shared.isQuiet && shared.unlockCount(at: 1) == 0)
        // The unlock that verifies a failed try goes out with a round.
        shared.verify([5], .exclusive, because: Self.failure, on: 2)
        #expect(shared.takeOnlyKey(at: 1) == nil && shared.unlockCount(at: 1) == 1)
        // The next key is not mixed up with the one before.
        shared.appendTry(3, .shared)
        #expect(shared.takeOnlyKey(at: 0).map(Work.batch) == Self.batch(.tryLock, .shared, 3))
    }

    @Test(
        "a key is not taken alone while something else is to be sent, or a transaction is open",
        arguments: ["try", "unlock", "choice", "cancel", "question", "transaction"]
    )
    func notOnlyKey(further: String) {
        var shared = Self.with(1)
        if further == "transaction" {
            var round: [Work] = [.heartbeat]
            shared.frame(&round, at: 0, isLarge: true, now: Instant(nanoseconds: 0))
        }
        shared.appendTry(1, .exclusive)
        switch further {
        case "try": shared.appendTry(2, .shared)
        case "unlock": _ = shared.appendUnlock(2, .exclusive, on: 1)
        case "choice": shared.append([LockTable.ChoiceTry([3, 4], .exclusive, count: 1)])
        case "cancel": shared.appendCancel(7)
        case "question": shared.appendActivityQuestion(7)
        default: break
        }
        #expect(shared.takeOnlyKey(at: 0) == nil)
        #expect(shared.tryCount == (further == "try" ? 2 : 1))
    }

    @Test("a round without tries only releases, and the tries stay")
    func noTries() {
        var shared = Self.with(1)
        shared.appendTry(1, .exclusive)
        _ = shared.appendUnlock(2, .exclusive, on: 1)
        #expect(Self.nextRound(&shared, withTries: false) == [Self.batch(.unlock, .exclusive, 2)])
        #expect(shared.tryCount == 1 && !shared.isQuiet)
        #expect(Self.nextRound(&shared) == [Self.batch(.tryLock, .exclusive, 1)])
    }

    @Test("a statement has no more keys than allowed, and the newest tries are taken out first")
    func limits() {
        var shared = Self.with(1)
        for key in 1...5 as ClosedRange<Int64> { shared.appendTry(AdvisoryKey(key), .exclusive) }
        #expect(shared.takeNewestTries(1) == [5])
        #expect(Self.nextRound(&shared, size: 3) == [Self.batch(.tryLock, .exclusive, 1, 2, 3), Self.batch(.tryLock, .exclusive, 4)])
        shared.appendTry(6, .exclusive)
        #expect(shared.takeTries() == [6] && !shared.hasTries)
    }

    @Test("a lock is released on the session that holds it, and on no other")
    func ownUnlocks() {
        var shared = Self.with(1, 2)
        #expect(shared.appendUnlock(7, .shared, on: 2) == true)
        #expect(shared.appendUnlock(8, .shared, on: 3) == false, "that is no shared session")
        #expect(shared.unlockCount(on: 1) == 0 && shared.unlockCount(on: 2) == 1 && shared.unlockCount(on: 3) == 0)
        #expect(!shared.hasWork, "no other session can do it")
        #expect(Self.nextRound(&shared, at: 0) == [])
        #expect(Self.nextRound(&shared, at: 1) == [Self.batch(.unlock, .shared, 7)])
    }

    @Test("a session is asked about once, and for a deadline only if it is not asked about anyway")
    func activityQuestions() {
        var shared = Self.with(1)
        shared.appendActivityQuestion(5)
        shared.appendActivityQuestion(5)
        shared.appendActivityQuestion(5, forDeadline: true)
        shared.appendActivityQuestion(6, forDeadline: true)
        shared.appendActivityQuestion(6, forDeadline: true)
        #expect(shared.hasWork && shared.hasActivityQuestions)
        #expect(shared.takeActivityQuestions() == [.askActivity(5), .askActivity(6, forDeadline: true)])
        #expect(shared.takeActivityQuestions() == [] && !shared.hasActivityQuestions && !shared.hasWork)
    }

    @Test("a cancel that is dropped is not sent, and one that was taken can't be dropped")
    func cancels() {
        var shared = Self.with(1)
        shared.appendCancel(5)
        shared.appendCancel(6)
        #expect(shared.hasWork)
        #expect(shared.dropCancel(of: 5) == true)
        #expect(shared.dropCancel(of: 5) == false)
        #expect(shared.takeCancels() == [6])
        #expect(!shared.hasCancels && !shared.hasWork)
        #expect(shared.dropCancel(of: 6) == false)
    }

    // MARK: Verifications

    @Test("keys whose try has failed are verified by a release, which returns the failure once")
    func verifications() {
        var shared = Self.with(1)
        shared.verify([1, 2], .exclusive, because: Self.failure, on: 1)
        #expect(!shared.isQuiet && !shared.isUnused(1))
        #expect(Self.nextRound(&shared) == [Self.batch(.unlock, .exclusive, 1, 2)])
        #expect(!shared.isQuiet && !shared.isUnused(1), "the answers are not there")
        #expect(shared.takeVerification(3, on: 1) == nil)
        #expect(shared.takeVerification(1, on: 2) == nil)
        #expect(shared.takeVerification(1, on: 1) == Self.failure)
        #expect(shared.takeVerification(1, on: 1) == nil)
        #expect(shared.takeVerification(2, on: 1) == Self.failure)
        #expect(shared.isQuiet && shared.isUnused(1))
    }

    @Test("a shared session that is gone leaves its missing verifications, ordered by key, and drops its releases")
    func removal() {
        var shared = Self.with(1, 2)
        for key in [9, 3, 6] as [AdvisoryKey] { shared.verify([key], .exclusive, because: Self.failure, on: 1) }
        shared.verify([4], .exclusive, because: Self.other, on: 2)
        shared.appendTry(1, .exclusive)
        let left = shared.remove(1)
        #expect(left.map(\.key) == [3, 6, 9] && left.allSatisfy { $0.failure == Self.failure })
        #expect(!shared.contains(1) && shared.contains(2) && shared.count == 1 && shared[0] == 2)
        #expect(Self.nextRound(&shared) == [Self.batch(.unlock, .exclusive, 4), Self.batch(.tryLock, .exclusive, 1)])
        #expect(shared.remove(1).isEmpty)
        #expect(shared.remove(2).map(\.key) == [4])
        #expect(shared.isEmpty && shared.isQuiet)
    }

    // MARK: Transactions around rounds

    private static func at(milliseconds: Int) -> Instant { Duration.milliseconds(milliseconds).instant }

    /// Session 1, which is shared and free.
    private static func sessions() -> SessionTable {
        var sessions = SessionTable()
        let id = sessions.open(.shared)
        sessions.update(id) { _ = $0.connected(now: at(milliseconds: 0)) }
        return sessions
    }

    @Test("only the rounds of a session that holds much share a transaction, and a session with an open one is not unused")
    func framing() {
        var shared = Self.with(1)
        var sessions = Self.sessions()
        var round: [Work] = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: false, now: Self.at(milliseconds: 0))
        #expect(round == [.heartbeat] && shared.isUnused(1) && shared.nextTransactionEnd(among: sessions) == nil)
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 0))
        #expect(round == [.begin, .heartbeat] && !shared.isUnused(1))
        round = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 40))
        #expect(round == [.heartbeat], "it goes on")
        #expect(shared.nextTransactionEnd(among: sessions) == Self.at(milliseconds: 90))
        #expect(shared.idleTransactions(among: sessions, now: Self.at(milliseconds: 89)) == [])
        #expect(shared.idleTransactions(among: sessions, now: Self.at(milliseconds: 90)) == [1])
        sessions.update(1) { _ = $0.submit(.heartbeat, now: Self.at(milliseconds: 90)) }
        #expect(shared.nextTransactionEnd(among: sessions) == nil, "the session owes an answer")
        #expect(shared.idleTransactions(among: sessions, now: Self.at(milliseconds: 90)) == [])
        #expect(shared.endTransaction(on: 1) == true)
        #expect(shared.endTransaction(on: 1) == false)
        #expect(shared.nextTransactionEnd(among: Self.sessions()) == nil)
    }

    @Test("the round after an aborted transaction has none, and the next one has one again")
    func aborted() {
        var shared = Self.with(1)
        var round: [Work] = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 0))
        #expect(round == [.begin, .heartbeat])
        #expect(shared.endTransaction(on: 1) == true)
        shared.noteAborted(on: 1)
        round = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 10))
        #expect(round == [.heartbeat] && shared.isUnused(1))
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 20))
        #expect(round == [.begin, .heartbeat])
    }

    @Test("a transaction ends with the first round that comes half a second after its beginning")
    func length() {
        var shared = Self.with(1)
        var round: [Work] = []
        for time in stride(from: 0, to: 500, by: 50) {
            round = [.heartbeat]
            shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: time))
            #expect(round == (time == 0 ? [.begin, .heartbeat] : [.heartbeat]))
        }
        round = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 500))
        #expect(round == [.heartbeat, .commit])
        round = [.heartbeat]
        shared.frame(&round, at: 0, isLarge: true, now: Self.at(milliseconds: 500))
        #expect(round == [.begin, .heartbeat])
    }
}
