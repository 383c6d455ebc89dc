import Dispatch
import Foundation
import Testing

@testable import LibPQ

@Suite("An event loop")
struct EventLoopTests {
    private actor Worker {
        private static let key = DispatchSpecificKey<Bool>()

        private nonisolated let loop: EventLoop

        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

        init(on loop: EventLoop) {
            self.loop = loop
            loop.queue.setSpecific(key: Self.key, value: true)
        }

        /// Whether the job that calls this runs on the loop's queue.
        func isOnQueue() -> Bool { DispatchQueue.getSpecific(key: Self.key) == true }
    }

    @Test("the jobs of actors run on the loop's queue, also if they come while another thread runs the loop")
    func jobs() async {
        let loop = EventLoop(label: "test.jobs")
        let worker = Worker(on: loop)
        let isOnQueue = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            Thread.detachNewThread {
                loop.enter {
                    Task.detached { continuation.resume(returning: await worker.isOnQueue()) }
                    // The job comes while this thread runs the loop.
                    usleep(50_000)
                }
            }
        }
        #expect(isOnQueue)
    }

    @Test("work that threads bring at the same time is all done, by one thread at a time", .timeLimit(.minutes(5)))
    func contention() async {
        let loop = EventLoop(label: "test.contention")
        let user = Counter()
        let counter = CountingActor(on: loop, user)
        loop.onTurnEnd { user.endTurn() }
        let (threads, each) = (4, 10_000)
        await withTaskGroup { group in
            for thread in 0..<threads {
                // Jobs of actors, which run on the queue only.
                group.addTask { for _ in 0..<each / 10 { await counter.count() } }
                group.addTask {
                    await withCheckedContinuation { continuation in
                        Thread.detachNewThread {
                            for number in 0..<each {
                                switch (number + thread) % 4 {
                                case 0: loop.submit { user.add() }
                                case 1 where loop.tryEnter():
                                    user.add()
                                    loop.leave(user)
                                default: loop.enter { user.add() }
                                }
                            }
                            // Behind all that this thread has left.
                            loop.submit { continuation.resume() }
                        }
                    }
                }
            }
        }
        #expect(user.count == threads * (each + each / 10))
        #expect(!user.hasOverlapped)
    }

    @Test("work that another thread brings ends the poll of the thread that runs the loop", .timeLimit(.minutes(5)))
    func polling() async throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let loop = EventLoop(label: "test.polling")
        let poll = Poll(of: ends[0], on: loop)
        // The first thread polls without end unless it is woken. It is not one on which tasks run.
        Thread.detachNewThread { loop.enter { poll.begin() } }
        for _ in 0..<2000 {
            await withCheckedContinuation { continuation in loop.submit { continuation.resume() } }
            await withCheckedContinuation { continuation in
                loop.submit {
                    poll.begin()
                    continuation.resume()
                }
            }
        }
        await withCheckedContinuation { continuation in
            loop.submit {
                poll.end()
                continuation.resume()
            }
        }
        #expect(!poll.wasReadable)
    }

    /// Counts, as what runs on a loop may do, without a lock.
    private final class Counter: EventLoop.User, @unchecked Sendable {
        private(set) var count = 0
        private(set) var hasOverlapped = false
        private var isInside = false

        func add() { inside { count += 1 } }

        func endTurn() { inside {} }

        private func inside(_ body: () -> Void) {
            if isInside { hasOverlapped = true }
            isInside = true
            body()
            isInside = false
        }
    }

    private actor CountingActor {
        private nonisolated let loop: EventLoop
        private let counter: Counter

        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

        init(on loop: EventLoop, _ counter: Counter) {
            (self.loop, self.counter) = (loop, counter)
        }

        func count() { counter.add() }
    }

    /// Polls a descriptor that never becomes readable. Confined to the loop.
    private final class Poll: EventLoop.BusyPollUser, @unchecked Sendable {
        private let descriptor: Int32
        private let loop: EventLoop
        private var isEnded = false
        private(set) var wasReadable = false

        init(of descriptor: Int32, on loop: EventLoop) {
            (self.descriptor, self.loop) = (descriptor, loop)
        }

        func begin() {
            if !isEnded { loop.busyPoll(for: descriptor, milliseconds: 600_000, user: self) }
        }

        func end() { isEnded = true }

        func endBusyPoll(isReadable: Bool) {
            if isReadable { wasReadable = true }
        }
    }
}
