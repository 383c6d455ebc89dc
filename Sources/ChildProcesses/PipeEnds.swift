import Foundation

/// A pipe whose ends are closed on exec, so that a child inherits an end only as one of its standard streams.
package struct PipeEnds: Sendable {
    package let reading: Int32
    package let writing: Int32

    package init() throws(SystemFailure) {
        var ends: [Int32] = [-1, -1]
        #if canImport(Darwin)
            // Another thread may start a process between the two calls; this package starts them with POSIX_SPAWN_CLOEXEC_DEFAULT.
            guard pipe(&ends) == 0 else { throw SystemFailure("Creating a pipe failed", errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        #else
            // Swift's Glibc module lacks `pipe2`. A pair of sockets can be created closed on exec too.
            #if canImport(Glibc)
                let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            #else
                let type = SOCK_STREAM | SOCK_CLOEXEC
            #endif
            guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemFailure("Creating a pair of sockets failed", errno) }
        #endif
        reading = ends[0]
        writing = ends[1]
    }
}
