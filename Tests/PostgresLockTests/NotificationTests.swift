import CLibPQ
import Testing

@testable import LibPQ

@Suite("Notifications", .database)
struct NotificationTests {
    @Test("notifications that a session gets are freed, and do not accumulate until its end")
    func freed() async throws {
        let pointer = try #require(PQconnectdb(try TestDatabase.get().url))
        let raw = RawConnection(adopting: pointer, notices: NoticeReceiver { _ in })
        let loop = EventLoop(label: "notifications")
        let (answers, continuation) = AsyncStream<UInt64>.makeStream()
        let connection = Connection(adopting: raw, on: loop) { event in
            guard case .answered(let token, _) = event else { return continuation.finish() }
            continuation.yield(token.number)
        }
        loop.submit {
            // The server sends a session its own notifications ahead of the end of the statement.
            for (number, sql) in ["LISTEN c", "NOTIFY c, 'a'", "NOTIFY c, 'b'"].enumerated() {
                connection.submit(Statement(sql, shape: .rows), for: SubmissionToken(kind: 0, number: UInt64(number)))
            }
            connection.submit([], for: SubmissionToken(kind: 0, number: 3))
            connection.flush()
        }
        #expect(await Array(answers.prefix(4)) == [0, 1, 2, 3])
        let left = await withCheckedContinuation { continuation in
            loop.submit {
                var count = 0
                while let notification = PQnotifies(raw.pointer) {
                    PQfreemem(notification)
                    count += 1
                }
                continuation.resume(returning: count)
            }
        }
        #expect(left == 0)
        await withCheckedContinuation { continuation in
            loop.submit { connection.close { _ in continuation.resume() } }
        }
    }
}

extension AsyncStream {
    fileprivate func prefix(_ count: Int) async -> [Element] {
        var elements: [Element] = []
        for await element in self {
            elements.append(element)
            if elements.count == count { break }
        }
        return elements
    }
}
