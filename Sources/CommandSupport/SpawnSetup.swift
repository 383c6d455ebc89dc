import Foundation

/// What is to be different in a child.
struct SpawnSetup {
    #if canImport(Darwin)
        typealias Actions = posix_spawn_file_actions_t?
        typealias Attributes = posix_spawnattr_t?
    #else
        typealias Actions = posix_spawn_file_actions_t
        typealias Attributes = posix_spawnattr_t
    #endif

    // Boxed, because the functions want a stable address, and a value that is destroyed once.
    let actions: UnsafeMutablePointer<Actions>
    let attributes: UnsafeMutablePointer<Attributes>

    init(streams: (input: Int32, output: Int32)?, hasOwnGroup: Bool) {
        actions = .allocate(capacity: 1)
        attributes = .allocate(capacity: 1)
        #if canImport(Darwin)
            actions.initialize(to: nil)
            attributes.initialize(to: nil)
        #else
            actions.initialize(to: posix_spawn_file_actions_t())
            attributes.initialize(to: posix_spawnattr_t())
        #endif
        posix_spawn_file_actions_init(actions)
        posix_spawnattr_init(attributes)
        if let streams {
            posix_spawn_file_actions_adddup2(actions, streams.input, STDIN_FILENO)
            posix_spawn_file_actions_adddup2(actions, streams.output, STDOUT_FILENO)
        }
        var flags = Int32(POSIX_SPAWN_SETSIGMASK)
        var mask = SignalMask.inherited
        posix_spawnattr_setsigmask(attributes, &mask)
        if hasOwnGroup {
            flags |= Int32(POSIX_SPAWN_SETPGROUP)
            posix_spawnattr_setpgroup(attributes, 0)
        }
        posix_spawnattr_setflags(attributes, Int16(flags))
    }

    func destroy() {
        posix_spawn_file_actions_destroy(actions)
        posix_spawnattr_destroy(attributes)
        actions.deallocate()
        attributes.deallocate()
    }
}
