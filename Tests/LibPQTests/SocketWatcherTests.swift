import Foundation
import Testing

@testable import LibPQ

@Suite("A watched socket")
struct SocketWatcherTests {
    /// A watcher on its loop, and the other end of its socket.
    private final class Watched: Sendable {
        let reports = Locked<[String]>([])
        let loop = EventLoop(label: "test")
        /// The end that is watched, and the other one.
        let ends: [Int32]
        /// Touched on the loop only.
        nonisolated(unsafe) private var watcher: SocketWatcher?

        /// - Parameter reading: How much is read for each report.
        init(reading: Int = 1) async throws {
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
            self.ends = ends
            await onLoop { [self, ends] in
                watcher = SocketWatcher(
                    socket: ends[0],
                    on: loop,
                    onReadable: { [reports] in
                        var bytes = [UInt8](repeating: 0, count: reading)
                        let count = recv(ends[0], &bytes, reading, 0)
                        reports.withLock { $0.append("read \(count)") }
                    },
                    onWritable: { [reports] in reports.withLock { $0.append("writable") } }
                )
            }
        }

        deinit {
            for end in ends { _ = close(end) }
        }

        func onLoop(_ body: @escaping @Sendable () -> Void) async {
            await withCheckedContinuation { continuation in
                loop.enter {
                    body()
                    continuation.resume()
                }
            }
        }

        func withWatcher(_ body: @escaping @Sendable (SocketWatcher?) -> Void) async {
            await onLoop { [self] in body(watcher) }
        }

        func send(_ count: Int) {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(Foundation.send(ends[1], bytes, count, 0) == count)
        }

        func drop() async {
            await onLoop { [self] in watcher = nil }
        }

        func waitForReports(_ count: Int) async throws {
            while reports.withLock(\.count) < count { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    @Test("what one report does not read is reported anew, and then nothing is reported until more comes")
    func rest() async throws {
        let watched = try await Watched()
        watched.send(3)
        try await watched.waitForReports(3)
        watched.send(1)
        try await watched.waitForReports(4)
        #expect(watched.reports.withLock { $0 } == ["read 1", "read 1", "read 1", "read 1"])
        await watched.drop()
    }

    @Test("what arrives while the loop is busy is reported when it is free")
    func busyLoop() async throws {
        let watched = try await Watched()
        await watched.onLoop {
            watched.send(1)
            usleep(20_000)
            #expect(watched.reports.withLock(\.isEmpty))
        }
        try await watched.waitForReports(1)
        await watched.drop()
    }

    @Test("while it is parked it reports nothing; when it is unparked it reports what has come meanwhile")
    func parked() async throws {
        let watched = try await Watched()
        await watched.withWatcher { $0?.park() }
        watched.send(1)
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock(\.isEmpty))
        await watched.withWatcher { $0?.unpark() }
        try await watched.waitForReports(1)
        await watched.drop()
    }

    @Test("it reports that it can be written when the other side has read, but only if that is asked for")
    func writes() async throws {
        let watched = try await Watched()
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while Foundation.send(watched.ends[0], bytes, bytes.count, 0) > 0 {}
        await watched.withWatcher { $0?.watchWrites(true) }
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock(\.isEmpty))
        while recv(watched.ends[1], &bytes, bytes.count, 0) > 0 {}
        try await watched.waitForReports(1)
        #expect(watched.reports.withLock { $0.first } == "writable")
        await watched.withWatcher { $0?.watchWrites(false) }
        let count = watched.reports.withLock(\.count)
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock(\.count) == count)
        await watched.drop()
    }

    @Test("a close says goodbye first, waits for the other side, reports nothing more, and completes once")
    func closing() async throws {
        let watched = try await Watched()
        await watched.withWatcher { [reports = watched.reports] watcher in
            watcher?.close(
                atMost: .seconds(3_600),
                goodbye: { reports.withLock { $0.append("goodbye") } },
                completion: { isAtEnd in reports.withLock { $0.append(isAtEnd ? "closed" : "abandoned") } }
            )
            reports.withLock { $0.append("called") }
        }
        // The connection forgets its watcher at once.
        await watched.drop()
        watched.send(2)
        try await watched.waitForReports(2)
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock { $0 } == ["called", "goodbye"])
        var byte: UInt8 = 0
        #expect(recv(watched.ends[1], &byte, 1, 0) == 0, "The other side learns that nothing more will come.")
        shutdown(watched.ends[1], Int32(SHUT_WR))
        try await watched.waitForReports(3)
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock { $0 } == ["called", "goodbye", "closed"])
    }

    @Test("a close completes when its limit is over, though the other side goes on")
    func limit() async throws {
        let watched = try await Watched()
        await watched.withWatcher { [reports = watched.reports] watcher in
            watcher?.close(
                atMost: .milliseconds(30),
                goodbye: {},
                completion: { isAtEnd in reports.withLock { $0.append(isAtEnd ? "closed" : "abandoned") } }
            )
        }
        await watched.drop()
        try await watched.waitForReports(1)
        watched.send(1)
        try await Task.sleep(for: .milliseconds(20))
        #expect(watched.reports.withLock { $0 } == ["abandoned"])
    }
}
