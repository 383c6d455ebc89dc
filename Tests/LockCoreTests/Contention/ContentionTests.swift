import Testing

@testable import LockCore

@Suite("Contended keys")
struct ContentionTests {
    private static let start = Duration.seconds(100).instant
    private var random = SplitMix64(seed: 1)
    private var contention = Contention()

    private mutating func queue(_ keys: AdvisoryKey...) {
        for key in keys { contention.queue(key, .exclusive) }
    }

    /// A poll begins, of so many keys at most.
    private mutating func poll(_ limit: Int = 100) -> [AdvisoryKey] {
        contention.planPoll(using: &random, now: Self.start)
        _ = contention.takePlannedPoll(now: .distantFuture)
        return contention.beginPoll(limit: limit).map(\.key)
    }

    private mutating func tried(_ key: AdvisoryKey, isGranted: Bool = false) -> Bool {
        contention.tried(key, isGranted: isGranted, using: &random, now: Self.start)
    }

    /// The key waits on the session 1.
    private mutating func begin(_ key: AdvisoryKey, on id: ConnectionID = 1) {
        queue(key)
        _ = contention.beginNext(on: id)
    }

    // MARK: Sessions

    @Test("sessions wait for the keys in the order in which these have queued, each with its mode")
    mutating func order() {
        contention.queue(1, .shared)
        contention.queue(2, .exclusive)
        #expect([contention.mode(of: 1), contention.mode(of: 2)] == [.shared, .exclusive])
        #expect(contention.count == 2 && contention.queuedCount == 2)
        let next = [contention.next, contention.beginNext(on: 7), contention.beginNext(on: 8), contention.beginNext(on: 9)]
        #expect(next == [1, 1, 2, nil])
        #expect(contention.stage(of: 1) == .waiting(on: 7))
        #expect(contention.stage(of: 2) == .waiting(on: 8))
        #expect(contention.count == 2 && contention.queuedCount == 0)
        #expect(!contention.isQueued(1))
    }

    @Test("no session begins to wait for a key that is being tried, nor overtakes it by another key")
    mutating func noneWhilePolled() {
        queue(1, 2)
        #expect(poll(1) == [1])
        #expect(contention.isQueued(1) && contention.isPolled(1))
        var next = contention.beginNext(on: 7)
        #expect(next == nil)
        _ = tried(1)
        #expect(contention.isQueued(1) && !contention.isPolled(1))
        next = contention.beginNext(on: 7)
        #expect(next == 1)
    }

    @Test("a key that is asked for a second time keeps its position and its mode")
    mutating func twice() {
        queue(1, 2)
        contention.queue(1, .shared)
        #expect(contention.next == 1)
        #expect(contention.mode(of: 1) == .exclusive)
        #expect(contention.queuedCount == 2)
    }

    // MARK: Not wanted any more

    @Test("a key that only queues is forgotten when it is not wanted any more")
    mutating func queuedWithdrawal() {
        queue(1, 2)
        var stage = contention.withdraw(1)
        #expect(stage == .queued)
        #expect(contention.stage(of: 1) == nil && contention.next == 2)
        stage = contention.withdraw(1)
        #expect(stage == nil)
    }

    @Test("a key that is being tried is not wanted any more: the answer ends it, granted or not", arguments: [true, false])
    mutating func polledWithdrawal(isGranted: Bool) {
        queue(1)
        _ = poll()
        let stage = contention.withdraw(1)
        #expect(stage == .polled(isWanted: true))
        #expect(contention.isPolled(1))
        let goesOn = tried(1, isGranted: isGranted)
        #expect(!goesOn)
        #expect(contention.count == 0 && contention.queuedCount == 0)
    }

    @Test(
        "a wait that is not wanted any more is forgotten once its session is verified, also if it was to be begun again",
        arguments: [nil, .renewed, .yielding] as [Contention.End?]
    )
    mutating func waitingWithdrawal(end: Contention.End?) {
        begin(1)
        if let end { contention.end(1, on: 1, end) }
        let stage = contention.withdraw(1)
        #expect(stage == end.map { .ending(on: 1, $0) } ?? .waiting(on: 1))
        #expect(contention.stage(of: 1) == .ending(on: 1, .unwanted))
        contention.failed(1, on: 1, isEnded: true)
        #expect(contention.stage(of: 1) == .ending(on: 1, .unwanted))
        let verified = contention.verified(1, on: 1)
        #expect(verified == nil)
        #expect(contention.count == 0)
    }

    @Test("no other session waits for a key before the session whose wait has failed is verified", arguments: [true, false])
    mutating func failed(isEnded: Bool) {
        begin(1)
        contention.failed(1, on: 1, isEnded: isEnded)
        queue(1)
        let next = contention.beginNext(on: 2)
        #expect(next == nil)
        #expect(contention.stage(of: 1) == .ending(on: 1, .unwanted))
        let verified = contention.verified(1, on: 1)
        #expect(verified == nil && contention.count == 0)
    }

    @Test("a wait that becomes unwanted between its end and the verification is forgotten with the verification")
    mutating func lateWithdrawal() {
        begin(1)
        contention.end(1, on: 1, .renewed)
        contention.failed(1, on: 1, isEnded: true)
        _ = contention.withdraw(1)
        let verified = contention.verified(1, on: 1)
        #expect(verified == nil)
        #expect(contention.count == 0)
    }

    // MARK: Begun again

    @Test("a harmful wait is begun again on its session once that is verified to hold nothing, and the renewals are counted")
    mutating func renewed() {
        begin(1)
        for count in 1...3 {
            contention.end(1, on: 1, .renewed)
            contention.failed(1, on: 1, isEnded: true)
            #expect(contention.stage(of: 1) == .ending(on: 1, .renewed))
            let verified = contention.verified(1, on: 1)
            #expect(verified == .renewed)
            #expect(contention.stage(of: 1) == .waiting(on: 1))
            #expect(contention.renewals(of: 1) == count)
        }
        #expect(contention.queuedCount == 0)
    }

    @Test("a wait that yields its session queues last once the session is verified to hold nothing, and keeps its count of renewals")
    mutating func yielding() {
        begin(1)
        queue(2)
        contention.end(1, on: 1, .renewed)
        contention.failed(1, on: 1, isEnded: true)
        _ = contention.verified(1, on: 1)
        contention.end(1, on: 1, .yielding)
        contention.failed(1, on: 1, isEnded: true)
        #expect(contention.queuedCount == 1)
        let verified = contention.verified(1, on: 1)
        #expect(verified == .yielding)
        #expect(contention.stage(of: 1) == .queued && contention.renewals(of: 1) == 1)
        #expect(poll() == [2, 1])
    }

    @Test(
        "a wait that was granted, or has failed, in the moment of its end is not begun again",
        arguments: [.renewed, .yielding] as [Contention.End]
    )
    mutating func granted(end: Contention.End) {
        begin(1)
        begin(2, on: 2)
        contention.end(1, on: 1, end)
        contention.granted(1, on: 1)
        #expect(contention.stage(of: 1) == nil)
        contention.end(2, on: 2, end)
        contention.failed(2, on: 2, isEnded: false)
        let verified = contention.verified(2, on: 2)
        #expect(verified == nil && contention.count == 0)
    }

    // MARK: Polls

    @Test("a poll tries the next keys in rotation, and none is planned before its last key is answered")
    mutating func rotation() {
        queue(1, 2, 3)
        #expect(contention.due == [])
        contention.planPoll(using: &random, now: Self.start)
        #expect(contention.due == [] && contention.beginPoll(limit: 2).isEmpty)
        let isOver = contention.takePlannedPoll(now: .distantFuture)
        #expect(isOver)
        #expect(contention.due == [1, 2, 3])
        let part = contention.beginPoll(limit: 2)
        #expect(part.map(\.key) == [1, 2] && part.map(\.mode) == [.exclusive, .exclusive])
        #expect(contention.polls.unansweredCount == 2 && contention.due == [])
        var goesOn = tried(2)
        #expect(goesOn && contention.polls.unansweredCount == 1 && contention.polls.plannedAt == nil)
        goesOn = tried(2)
        #expect(!goesOn && contention.polls.unansweredCount == 1, "It was no poll.")
        goesOn = tried(1)
        #expect(goesOn && contention.polls.unansweredCount == 0 && contention.polls.plannedAt != nil)
        #expect(poll(2) == [3, 1])
    }

    @Test("where nothing queues, no poll is planned")
    mutating func nothingToPoll() {
        begin(1)
        contention.planPoll(using: &random, now: Self.start)
        #expect(contention.polls.plannedAt == nil)
    }

    @Test("a key that a poll is granted is forgotten, and the next pause is the shortest")
    mutating func grantedPoll() throws {
        queue(1, 2)
        for _ in 1...10 {
            _ = poll()
            _ = tried(1)
            _ = tried(2)
        }
        _ = poll()
        _ = tried(1, isGranted: true)
        #expect(contention.stage(of: 1) == nil)
        _ = tried(2)
        let planned = try #require(contention.polls.plannedAt)
        #expect(Self.start.duration(to: planned) <= .milliseconds(10))
    }

    @Test("a key that could not be tried is forgotten, and the other keys are tried again")
    mutating func failedPoll() {
        queue(1, 2)
        #expect(poll(1) == [1])
        contention.tryFailed(2, using: &random, now: Self.start)
        #expect(contention.stage(of: 2) == .queued, "It was not being tried.")
        contention.tryFailed(1, using: &random, now: Self.start)
        #expect(contention.stage(of: 1) == nil)
        #expect(contention.polls.plannedAt != nil)
    }

    @Test("with the last key, what is planned is forgotten, and how long the pauses have become")
    mutating func last() throws {
        queue(1)
        for _ in 1...10 {
            _ = poll()
            _ = tried(1)
        }
        contention.forget(1)
        #expect(contention.polls.plannedAt == nil)
        queue(2)
        contention.planPoll(using: &random, now: Self.start)
        let planned = try #require(contention.polls.plannedAt)
        #expect(Self.start.duration(to: planned) <= .milliseconds(10))
    }

    // MARK: What does not fit

    @Test("an answer to a wait that the session does not have breaks an invariant of the session, and changes nothing")
    mutating func foreignAnswer() {
        begin(1)
        queue(2)
        contention.granted(1, on: 9)
        contention.failed(2, on: 9, isEnded: true)
        contention.failed(3, on: 8, isEnded: false)
        #expect(contention.stage(of: 1) == .waiting(on: 1) && contention.stage(of: 2) == .queued)
        let broken = contention.takeBroken()
        #expect(broken.map(\.id) == [9, 9, 8])
        #expect(contention.takeBroken().isEmpty)
        contention.end(1, on: 1, .renewed)
        let verified = contention.verified(1, on: 9)
        #expect(verified == nil && contention.stage(of: 1) == .ending(on: 1, .renewed))
    }

    @Test("the end of a wait that the session does not have breaks an invariant of the session, and changes nothing")
    mutating func foreignEnd() {
        begin(1)
        queue(2)
        contention.end(1, on: 9, .renewed)
        contention.end(2, on: 9, .renewed)
        #expect(contention.stage(of: 1) == .waiting(on: 1) && contention.stage(of: 2) == .queued)
        #expect(contention.renewals(of: 1) == 0)
        #expect(contention.takeBroken().map(\.id) == [9, 9])
    }
}
