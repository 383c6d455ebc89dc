import Foundation

/// Reading and writing descriptors to the end, whatever interrupts.
package enum Descriptor {
    /// - Returns: Whether all of it was written.
    package static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var written = 0
            while written < bytes.count {
                let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                written += count
            }
            return true
        }
    }

    /// - Returns: What there was to read; empty at the end, and after an error.
    package static func read(_ descriptor: Int32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            var result: Int
            repeat {
                result = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
            } while result < 0 && errno == EINTR
            count = max(0, result)
        }
    }
}

/// A pipe of which no child inherits an end, unless it is handed to it.
package struct PipeEnds {
    package let reading: Int32
    package let writing: Int32

    package init() throws {
        var ends: [Int32] = [-1, -1]
        // Not `pipe2`, which Swift's Glibc module lacks. Between the two calls no other process is started: pipes are
        // made before anything is started, or in the task that starts things.
        guard pipe(&ends) == 0 else { throw CommandFailure(ExitStatus.systemError, SystemError.text("Can't make a pipe", errno)) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = ends[0]
        writing = ends[1]
    }
}

/// Messages about errors of the operating system.
package enum SystemError {
    package static func text(_ what: String, _ number: Int32) -> String {
        // For the numbers that exist, `strerror` returns constant text, from any thread.
        "\(what): \(String(cString: strerror(number)))."
    }
}
