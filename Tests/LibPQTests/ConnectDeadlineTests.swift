import Synchronization
import Testing

@testable import LibPQ

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("The deadline of an attempt to connect")
struct ConnectDeadlineTests {
    /// The end of a pipe from which something can be read.
    private static func withReadable(_ body: (Int32) -> Void) {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        #expect(write(ends[1], "x", 1) == 1)
        body(ends[0])
        for end in ends { close(end) }
    }

    @Test("a wait for a socket ends at the deadline, at an earlier end, and when the attempt is abandoned")
    func over() {
        Self.withReadable { socket in
            let attempt = ConnectAttempt()
            let late = ConnectDeadline(deadline: .now - .seconds(1), attempt: attempt)
            #expect(throws: ConnectDeadline.isOver) { try late.wait(for: socket) }
            #expect(throws: ConnectDeadline.isOver) { try late.wait(for: socket, until: .now + .seconds(600)) }
            let deadline = ConnectDeadline(deadline: .now + .seconds(600), attempt: attempt)
            #expect(throws: ConnectDeadline.isOver) { try deadline.wait(for: socket, until: .now - .seconds(1)) }
            #expect(throws: Never.self) { try deadline.wait(for: socket) }
            attempt.abandon()
            #expect(throws: ConnectionFailure.abandoned) { try deadline.wait(for: socket) }
        }
    }

    @Test("an attempt that is abandoned calls its handler once, also if it is set afterwards")
    func abandoned() {
        for isEarly in [true, false] {
            let attempt = ConnectAttempt()
            let told = Atomic(0)
            if isEarly { attempt.abandon() }
            attempt.whenAbandoned { told.add(1, ordering: .relaxed) }
            #expect(told.load(ordering: .relaxed) == (isEarly ? 1 : 0))
            if !isEarly { attempt.abandon() }
            #expect(attempt.isAbandoned)
            #expect(told.load(ordering: .relaxed) == 1)
        }
    }
}
