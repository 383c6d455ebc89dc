import ChildProcesses
import Foundation
import Testing

@Suite("Child processes")
struct ChildProcessTests {
    @Test("a child process inherits descriptors and ignored and blocked signals only if it shares its parent's surroundings")
    func surroundings() async throws {
        let handed = try TemporaryFolder()
        defer { handed.remove() }
        let path = "\(handed.path)/file"
        let descriptor = dup(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        let handler = signal(SIGWINCH, SIG_IGN)
        defer {
            close(descriptor)
            signal(SIGWINCH, handler)
        }
        var blocked = sigset_t()
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGUSR1)
        let script =
            "{ echo here >/dev/fd/\(descriptor); } 2>/dev/null; trap 'echo heard' WINCH; kill -WINCH $$; kill -USR1 $$; echo survived"
        let all: [ChildProcess.Surroundings] = [
            .ownSession, .ownGroup, .ours(blocked: blocked), .ours(blocked: blocked, inNewGroup: true),
        ]
        for surroundings in all {
            let child = try ChildProcess(["/bin/sh", "-c", script], output: .pipe, error: .null, surroundings: surroundings)
            let group = getpgid(child.processIdentifier)
            let isShared = if case .ours = surroundings { true } else { false }
            #expect(await child.lines.reduce(into: []) { $0.append($1) } == [isShared ? "survived" : "heard"])
            #expect(await child.waitForEnd() == (isShared ? .exited(0) : .signalled(SIGUSR1)))
            let isInOurGroup = if case .ours(blocked: _, inNewGroup: false) = surroundings { true } else { false }
            #expect(group == (isInOurGroup ? getpgrp() : child.processIdentifier))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == (isShared ? "here\n" : ""))
        }
    }

    @Test("a signal to a child in a new group reaches the whole group, also when the child has ended, until its status is collected")
    func group() async throws {
        var blocked = sigset_t()
        sigemptyset(&blocked)
        // The pipe's end shows the end of all that write to it.
        let child = try ChildProcess(
            ["/bin/sh", "-c", "sleep 600 & echo up"],
            output: .pipe,
            error: .null,
            surroundings: .ours(blocked: blocked, inNewGroup: true)
        )
        var lines = child.lines.makeAsyncIterator()
        #expect(await lines.next() == "up")
        await child.waitForEndUncollected()
        child.signal(SIGKILL)
        #expect(await lines.next() == nil)
        #expect(child.poll() == .exited(0))
    }

    @Test("a child process exchanges lines by pipes, has many waits with limits of their own, and ends when nothing refers to it")
    func conversation() async throws {
        let child = try ChildProcess(["/bin/cat"], input: .pipe, output: .pipe)
        var lines = child.lines.makeAsyncIterator()
        child.write("one")
        #expect(await lines.next() == "one")
        #expect(try await child.waitForEnd(within: .milliseconds(20)) == nil)
        let cancelled = Task { try await child.waitForEnd(within: nil) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        async let (first, second) = (child.waitForEnd(), child.waitForEnd())
        child.closeInput()
        #expect(await lines.next() == nil)
        #expect(await [first, second] == [.exited(0), .exited(0)])
        child.signal(SIGKILL)
        #expect(child.poll() == .exited(0))
        let (dropped, output) = try startAndDrop()
        for await line in output { Issue.record("It has written \(line).") }
        try await eventually { kill(dropped, 0) == -1 }
        #expect(throws: SystemFailure.self) { try ChildProcess(["/no/such/program"], input: .pipe, output: .pipe) }
    }

    private func startAndDrop() throws -> (pid_t, AsyncStream<String>) {
        let child = try ChildProcess(["/bin/cat"], input: .pipe, output: .pipe)
        return (child.processIdentifier, child.lines)
    }

    @Test("a child process that ignores SIGINT is killed when the task that captures its output is cancelled")
    func cancellation() async throws {
        let captured = try CapturedProcess(["/bin/sh", "-c", "trap 'echo no' INT; echo up; while :; do sleep 0.02; done"])
        let result = Task { try await captured.finish() }
        try await eventually { captured.output == "up\n" }
        result.cancel()
        await #expect(throws: CancellationError.self) { try await result.value }
        #expect(captured.process.poll() == .signalled(SIGKILL))
        #expect(captured.output == "up\nno\n")
    }
}
