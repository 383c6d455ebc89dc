import Foundation

/// How a child differs from us: its own session, no blocked or ignored signals.
struct SpawnAttributes {
    #if canImport(Darwin)
        var value: posix_spawnattr_t?
    #else
        var value = posix_spawnattr_t()
    #endif

    init() throws {
        let result = posix_spawnattr_init(&value)
        guard result == 0 else { throw EphemeralPostgresError.system("Preparing a process failed", errno: result) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&value, &none)
        var all = sigset_t()
        sigfillset(&all)
        // Of these two the handling can't be set, and some systems refuse the whole set for them.
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        posix_spawnattr_setsigdefault(&value, &all)
        #if canImport(Darwin)
            let more = Int32(POSIX_SPAWN_SETSID) | Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #else
            // POSIX_SPAWN_SETSID in glibc and musl, which Swift's modules of them leave out.
            let more: Int32 = 0x80
        #endif
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | more
        posix_spawnattr_setflags(&value, Int16(flags))
    }

    mutating func destroy() {
        posix_spawnattr_destroy(&value)
    }
}

/// A child's standard streams; every other descriptor is closed.
struct SpawnFileActions {
    #if canImport(Darwin)
        var value: posix_spawn_file_actions_t?
    #else
        var value = posix_spawn_file_actions_t()
    #endif

    init(input: Int32, output: Int32, error: Int32) throws {
        let result = posix_spawn_file_actions_init(&value)
        guard result == 0 else { throw EphemeralPostgresError.system("Preparing a process failed", errno: result) }
        posix_spawn_file_actions_adddup2(&value, input, 0)
        posix_spawn_file_actions_adddup2(&value, output, 1)
        posix_spawn_file_actions_adddup2(&value, error, 2)
        #if !canImport(Darwin)
            // `addclosefrom_np` would do, but is missing in musl and in older glibc.
            for descriptor: Int32 in 3..<1024 {
                let flags = fcntl(descriptor, F_GETFD)
                if flags >= 0 && flags & FD_CLOEXEC == 0 { posix_spawn_file_actions_addclose(&value, descriptor) }
            }
        #endif
    }

    mutating func destroy() {
        posix_spawn_file_actions_destroy(&value)
    }
}
