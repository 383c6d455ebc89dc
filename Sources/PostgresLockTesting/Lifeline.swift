import Foundation
import Synchronization

/// The end of a pipe that is closed once: when asked to, or by the system when this process dies.
final class Lifeline: Sendable {
    private let descriptor: Mutex<Int32?>

    init(descriptor: Int32) {
        self.descriptor = Mutex(descriptor)
    }

    deinit {
        cut()
    }

    func cut() {
        descriptor.withLock { descriptor in
            if let open = descriptor { close(open) }
            descriptor = nil
        }
    }
}

/// A pipe that no child inherits, unless it is handed to it.
struct LifelinePipe {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        #if canImport(Darwin)
            // Another thread may start a process between the two calls; ours start with POSIX_SPAWN_CLOEXEC_DEFAULT.
            guard pipe(&ends) == 0 else { throw EphemeralPostgresError.system("Making a pipe failed", errno: errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        #else
            // Not `pipe2`, which Swift's Glibc module lacks: a pair of sockets is closed on exec from its first moment.
            #if canImport(Glibc)
                let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            #else
                let type = SOCK_STREAM | SOCK_CLOEXEC
            #endif
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
                throw EphemeralPostgresError.system("Making a pair of sockets failed", errno: errno)
            }
        #endif
        reading = ends[0]
        writing = ends[1]
    }
}
