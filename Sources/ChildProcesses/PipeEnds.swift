import Foundation

/// A pipe of which no child inherits an end, unless it is handed to it.
package struct PipeEnds: Sendable {
    package let reading: Int32
    package let writing: Int32

    package init() throws(SystemFailure) {
        var ends: [Int32] = [-1, -1]
        #if canImport(Darwin)
            // Another thread may start a process between the two calls; ours start with POSIX_SPAWN_CLOEXEC_DEFAULT.
            guard pipe(&ends) == 0 else { throw SystemFailure("Making a pipe failed", errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        #else
            // Not `pipe2`, which Swift's Glibc module lacks: a pair of sockets is closed on exec from its first moment.
            #if canImport(Glibc)
                let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            #else
                let type = SOCK_STREAM | SOCK_CLOEXEC
            #endif
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemFailure("Making a pair of sockets failed", errno) }
        #endif
        reading = ends[0]
        writing = ends[1]
    }
}
