import Foundation
import LibPQ
import PostgresLockTesting
import Testing

@testable import PostgresLock

@Suite("A long-lived election", .database)
struct LeaderElectionTests {
    /// Candidates that lead until they are cancelled, and who has led.
    private final class Candidates: Sendable {
        let terms = Locked<[String]>([])
        let leading = Locked<Set<String>>([])
        let hadTwo = Locked(false)

        func make(_ name: String, _ locks: LockManager, _ handling: StepDownHandling = .cancelBody) throws -> LeaderElection {
            try LeaderElection("scheduler", locks: locks, onStepDownRequest: handling) { [self] term in
                terms.withLock { $0.append(name) }
                let count = leading.withLock { leading in
                    leading.insert(name)
                    return leading.count
                }
                if count > 1 { hadTwo.withLock { $0 = true } }
                defer { leading.withLock { _ = $0.remove(name) } }
                if handling == .tellBody {
                    _ = await term.waitForStepDownRequest()
                } else {
                    try await Task.sleep(for: .seconds(3_600))
                }
            }
        }

        var last: String? { terms.withLock(\.last) }
        var count: Int { terms.withLock(\.count) }
    }

    /// Runs elections for the time of the body.
    private func running(_ elections: [LeaderElection], _ body: nonisolated(nonsending) () async throws -> Void) async throws {
        let runs = elections.map { election in Task { try await election.run() } }
        do {
            try await body()
        } catch {
            for run in runs { run.cancel() }
            throw error
        }
        for run in runs { run.cancel() }
        for run in runs { await #expect(throws: CancellationError.self) { try await run.value } }
    }

    @Test("an election that is stopped cancels its body also where a loss cancels none")
    func stopWithoutCancelOnLoss() async throws {
        let database = try TestDatabase.get()
        let election = try Candidates().make("a", try database.manager { $0.cancelsBodyOnLoss = false })
        let run = Task { try await election.run() }
        try await database.eventually("it leads") { election.isLeader }
        election.stop()
        try await run.value
    }

    @Test("after stepping down another candidate leads; the former one campaigns again, and its changes tell of its terms")
    func stepDown() async throws {
        let database = try TestDatabase.get()
        let candidates = Candidates()
        let managers = try (0..<2).map { _ in try database.manager() }
        let elections = try managers.enumerated().map { try candidates.make("\($0.offset)", $0.element) }
        let changes = Locked<[Bool]>([])
        // Begins before the first term, whenever the task begins.
        let stream = elections[0].changes
        let watching = Task { [changes] in
            for await term in stream { changes.withLock { $0.append(term != nil) } }
        }
        try await running(elections) {
            for round in 1...3 {
                try await database.eventually("one leads") { candidates.count == round && elections.contains(where: \.isLeader) }
                let former = try #require(candidates.last)
                try await managers[0].requestStepDown(of: "scheduler", timeout: .seconds(60))
                try await database.eventually("the other one leads") { candidates.count == round + 1 }
                #expect(candidates.last != former)
            }
        }
        await watching.value
        #expect(!candidates.hadTwo.withLock { $0 })
        let seen = changes.withLock { $0 }
        #expect(seen.first == false && seen.last == false && seen.contains(true), "\(seen)")
        #expect(elections.allSatisfy { !$0.isLeader && !$0.health.isRunning })
    }

    @Test("a lost lead is no reason to end: the candidates campaign again")
    func loss() async throws {
        let database = try TestDatabase.get()
        let candidates = Candidates()
        let elections = try (0..<2).map { try candidates.make("\($0)", try database.manager()) }
        try await running(elections) {
            for round in 1...3 {
                try await database.eventually("one leads") { candidates.count == round && elections.contains(where: \.isLeader) }
                try await database.terminateHolders()
            }
            try await database.eventually("one leads") { candidates.count == 4 }
        }
    }

    @Test("an outage of the server is no reason to end; the health says so meanwhile", .server())
    func outage() async throws {
        let database = try TestDatabase.get()
        let candidates = Candidates()
        let election = try candidates.make("a", try database.manager { $0.timeouts.unreachable = .milliseconds(300) })
        #expect(!election.health.isHealthy, "It does not run.")
        try await running([election]) {
            try await database.eventually("it leads") { election.isLeader }
            #expect(election.health.isHealthy)
            try await database.server.stop()
            try await database.eventually("it is unhealthy") { election.health.failure != nil }
            #expect(!election.health.isHealthy && !election.isLeader)
            try await database.server.resume()
            try await database.eventually("it leads again") { election.isLeader }
            #expect(election.health.isHealthy)
        }
    }

    @Test("the error of a body ends the run, and the lead is free")
    func failure() async throws {
        struct Failure: Error {}
        let database = try TestDatabase.get()
        let locks = try database.manager()
        let election = try LeaderElection("scheduler", locks: locks) { _ in throw Failure() }
        await #expect(throws: Failure.self) { try await election.run() }
        #expect(try await locks.isFree("scheduler"))
        #expect(!election.health.isRunning)
    }

    @Test("a body's own lockLost, of another lock, is an error of the body and ends the run")
    func failureLikeLoss() async throws {
        struct Failure: Error {}
        let locks = try TestDatabase.get().manager()
        for underlying in [nil, Failure()] {
            let election = try LeaderElection("scheduler", locks: locks) { _ in
                throw LockError(.lockLost, "Another lock was lost.", keys: ["other"], underlying: underlying)
            }
            let error = await lockError { try await election.run() }
            #expect(error?.keys == ["other"])
            #expect((error?.underlying is Failure) == (underlying != nil))
        }
    }

    @Test("what no campaign can repair ends the run")
    func hopeless() async throws {
        let database = try TestDatabase.get()
        let locks = try database.manager()
        await locks.shutdown()
        let election = try LeaderElection("scheduler", locks: locks) { _ in }
        let error = await lockError { try await election.run() }
        #expect(error?.code == .shutDown)
    }

    @Test("an election runs once at a time")
    func twice() async throws {
        let database = try TestDatabase.get()
        let candidates = Candidates()
        let election = try candidates.make("a", try database.manager())
        try await running([election]) {
            try await database.eventually("it leads") { election.isLeader }
            let error = await lockError { try await election.run() }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test(
        "when an election is to stop, a stand-by ends at once, a leader once its body has returned, and no body begins any more",
        arguments: [true, false]
    )
    func stop(cancels: Bool) async throws {
        let database = try TestDatabase.get()
        let candidates = Candidates()
        let election = try candidates.make("a", try database.manager(), cancels ? .cancelBody : .tellBody)
        let standBy = try candidates.make("b", try database.manager())
        let run = Task { try await election.run() }
        try await database.eventually("it leads") { election.isLeader }
        #expect(try await election.leader() != nil)
        let standingBy = Task { try await standBy.run() }
        try await database.eventually("the other one stands by") { standBy.health.isRunning }
        standBy.stop()
        try await standingBy.value
        #expect(election.isLeader)
        election.stop()
        try await run.value
        #expect(candidates.count == 1)
    }
}
