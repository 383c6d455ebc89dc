import Foundation

/// A terminal whose keys a test presses.
final class PseudoTerminal {
    struct Failure: Error {}

    /// What a process opens as its terminal.
    let path: String
    private let keyboard: Int32
    /// Kept open, or the terminal would hang up before the process has opened it.
    private let terminal: Int32

    init() throws {
        var (keyboard, terminal): (Int32, Int32) = (-1, -1)
        var name = [CChar](repeating: 0, count: 128)
        guard openpty(&keyboard, &terminal, &name, nil, nil) == 0 else { throw Failure() }
        self.keyboard = keyboard
        self.terminal = terminal
        path = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        for end in [keyboard, terminal] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    deinit {
        close(keyboard)
        close(terminal)
    }

    func press(_ key: UInt8) {
        var key = key
        _ = write(keyboard, &key, 1)
    }

    /// Starts a command in a session of its own with this terminal. The shell is the session's leader, and the first
    /// terminal that a leader opens becomes the session's own.
    var launcher: [String] {
        ["/bin/sh", "-c", #"terminal=$1; shift; exec "$@" <"$terminal""#, "sh", path]
    }
}
