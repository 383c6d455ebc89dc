import Foundation

/// The attributes and file actions with which `posix_spawn` starts a child.
struct SpawnSetup: ~Copyable {
    #if canImport(Darwin)
        private var actions: posix_spawn_file_actions_t?
        private var attributes: posix_spawnattr_t?
    #else
        private var actions = posix_spawn_file_actions_t()
        private var attributes = posix_spawnattr_t()
    #endif

    init(
        input: ChildProcess.Stream,
        output: ChildProcess.Stream,
        error: ChildProcess.Stream,
        surroundings: ChildProcess.Surroundings
    ) {
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        direct(STDIN_FILENO, to: input)
        direct(STDOUT_FILENO, to: output)
        direct(STDERR_FILENO, to: error)
        switch surroundings {
        case .ownSession:
            #if canImport(Darwin)
                isolate(Int32(POSIX_SPAWN_SETSID))
            #else
                // The value of POSIX_SPAWN_SETSID in glibc and musl, which Swift's modules of them lack.
                isolate(0x80)
            #endif
        case .ownGroup:
            isolate(Int32(POSIX_SPAWN_SETPGROUP))
        case .ours(var blocked, let inNewGroup):
            posix_spawnattr_setsigmask(&attributes, &blocked)
            let group = inNewGroup ? Int32(POSIX_SPAWN_SETPGROUP) : 0
            posix_spawnattr_setflags(&attributes, Int16(Int32(POSIX_SPAWN_SETSIGMASK) | group))
        }
    }

    deinit {
        var (actions, attributes) = (actions, attributes)
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
    }

    consuming func start(_ program: [CChar], _ arguments: [[CChar]], _ environment: [[CChar]]) throws(SystemFailure) -> pid_t {
        let arguments = arguments.map { strdup($0) } + [nil]
        let environment = environment.map { strdup($0) } + [nil]
        defer { for string in arguments + environment { free(string) } }
        var processIdentifier: pid_t = 0
        let result = posix_spawn(&processIdentifier, program, &actions, &attributes, arguments, environment)
        guard result == 0 else {
            throw SystemFailure(
                "Starting \(String(decoding: program.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)) failed",
                result
            )
        }
        return processIdentifier
    }

    private mutating func direct(_ descriptor: Int32, to stream: ChildProcess.Stream) {
        switch stream {
        case .null:
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        case .descriptor(let other):
            posix_spawn_file_actions_adddup2(&actions, other, descriptor)
        case .file(let path):
            posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        case .output:
            posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, descriptor)
        case .inherited, .pipe:
            #if canImport(Darwin)
                // POSIX_SPAWN_CLOEXEC_DEFAULT would close it otherwise.
                if fcntl(descriptor, F_GETFD) >= 0 { posix_spawn_file_actions_addinherit_np(&actions, descriptor) }
            #endif
        }
    }

    private mutating func isolate(_ flag: Int32) {
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        // The handling of these two can't be set, and some systems refuse a set that contains them.
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        posix_spawnattr_setsigdefault(&attributes, &all)
        #if canImport(Darwin)
            let flag = flag | Int32(POSIX_SPAWN_CLOEXEC_DEFAULT)
        #else
            // musl and older glibc lack `addclosefrom_np`.
            for descriptor: Int32 in 3..<1024 {
                let flags = fcntl(descriptor, F_GETFD)
                if flags >= 0 && flags & FD_CLOEXEC == 0 { posix_spawn_file_actions_addclose(&actions, descriptor) }
            }
        #endif
        posix_spawnattr_setflags(&attributes, Int16(Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | flag))
    }
}
