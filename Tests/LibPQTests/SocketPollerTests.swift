#if os(Linux)
    import Foundation
    import Testing

    @testable import LibPQ

    @Suite("The thread that waits for sockets")
    struct SocketPollerTests {
        /// Both ends of a connection.
        private final class Ends: Sendable {
            let watched: Int32
            let other: Int32

            init() throws {
                var ends: [Int32] = [-1, -1]
                try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
                (watched, other) = (ends[0], ends[1])
            }

            deinit {
                for end in [watched, other] { _ = close(end) }
            }

            func sendByte() {
                let bytes: [UInt8] = [1]
                #expect(Foundation.send(other, bytes, 1, 0) == 1)
            }
        }

        /// Says when it is released.
        private final class Held: Sendable {
            private let isReleased: Locked<Bool>

            init(_ isReleased: Locked<Bool>) { self.isReleased = isReleased }

            deinit { isReleased.withLock { $0 = true } }
        }

        private let poller = SocketPoller.next()

        @Test("an armed socket is reported once, though what has come is not read, and once more when it is armed anew")
        func once() async throws {
            let ends = try Ends()
            let reports = Locked(0)
            let added = poller.add(ends.watched) { _ in reports.withLock { $0 += 1 } }
            let number = try #require(added)
            ends.sendByte()
            for round in 1...2 {
                poller.arm(ends.watched, number, for: .readable)
                while reports.withLock({ $0 }) < round { try await Task.sleep(for: .milliseconds(1)) }
                try await Task.sleep(for: .milliseconds(30))
                #expect(reports.withLock { $0 } == round)
            }
            poller.remove(ends.watched, number)
        }

        @Test("the handler of a socket that is not watched any more is released")
        func release() throws {
            let ends = try Ends()
            let isReleased = Locked(false)
            let added = poller.add(ends.watched) { [held = Held(isReleased)] _ in withExtendedLifetime(held) {} }
            let number = try #require(added)
            #expect(isReleased.withLock { $0 } == false)
            poller.remove(ends.watched, number)
            #expect(isReleased.withLock { $0 } == true)
        }

        @Test("a loop does not poll for an answer on that thread, which other loops need")
        func noPolling() async throws {
            let ends = try Ends()
            let loop = EventLoop(label: "test.polling")
            let answers = Locked<[Bool]>([])
            let added = poller.add(ends.watched) { _ in
                let mayPoll = loop.mayBusyPoll
                answers.withLock { $0.append(mayPoll) }
            }
            let number = try #require(added)
            poller.arm(ends.watched, number, for: .readable)
            ends.sendByte()
            while answers.withLock(\.isEmpty) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(answers.withLock { $0 } == [false])
            #expect(loop.mayBusyPoll)
            poller.remove(ends.watched, number)
        }
    }
#endif
