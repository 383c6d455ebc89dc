import CLibPQ

/// Lets a thread wait for a socket, while other threads can end the wait.
final class WakeUpPipe: Sendable {
    private let reading: Int32
    private let writing: Int32
    /// Whether the process had descriptors left for it.
    let isOpen: Bool

    init() {
        var ends: [Int32] = [-1, -1]
        isOpen = pglock_pipe(&ends) == 0
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        guard isOpen else { return }
        close(reading)
        close(writing)
    }

    /// Waits until the socket can be read, or another thread calls ``wakeUp()``.
    ///
    /// - Returns: Whether the socket can be read.
    func wait(for socket: Int32, milliseconds: Int32) -> Bool {
        withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 2) { descriptors in
            descriptors.initializeElement(at: 0, to: pollfd(fd: socket, events: Int16(POLLIN), revents: 0))
            descriptors.initializeElement(at: 1, to: pollfd(fd: reading, events: Int16(POLLIN), revents: 0))
            guard poll(descriptors.baseAddress, 2, milliseconds) > 0 else { return false }
            // A wake-up can come after the wait that it was meant for. Then it ends the next one, but no further one.
            if descriptors[1].revents != 0 { drain() }
            return descriptors[0].revents != 0
        }
    }

    func wakeUp() {
        var byte: UInt8 = 0
        // If the pipe is full, the thread is woken already.
        _ = write(writing, &byte, 1)
    }

    private func drain() {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { bytes in
            _ = read(reading, bytes.baseAddress, bytes.count)
        }
    }
}
