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
}
