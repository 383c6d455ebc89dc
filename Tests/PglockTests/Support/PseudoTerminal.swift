import Foundation
import LibPQ

/// A terminal whose keys a test presses, and whose output it reads.
final class PseudoTerminal: Sendable {
    struct Failure: Error {}

    struct Size {
        let columns: UInt16
        let rows: UInt16
    }

    private struct State {
        /// What was shown.
        var output: [UInt8] = []
        var isOpen = true
    }

    /// What a process opens as its terminal.
    let path: String
    private let keyboard: Int32
    /// Kept open, or the terminal would hang up before the process has opened it.
    private let terminal: Int32
    private let state = Locked(State())

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
        hangUp()
        close(terminal)
    }

    /// Closes the terminal, as its window is closed: the system sends SIGHUP to the session that has it.
    func hangUp() {
        state.withLock { state in
            if state.isOpen { close(keyboard) }
            state.isOpen = false
        }
    }

    /// Gives the terminal another size: the system sends SIGWINCH to the processes in its foreground.
    func resize(_ size: Size) throws {
        var size = winsize(ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(keyboard, UInt(TIOCSWINSZ), &size) == 0 else { throw Failure() }
    }

    /// What is set about input, output, control and echo.
    func flags() throws -> [tcflag_t] {
        var settings = termios()
        guard tcgetattr(keyboard, &settings) == 0 else { throw Failure() }
        return [settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag]
    }

    /// All that was shown so far.
    func output() -> String {
        let output = state.withLock { state in
            var buffer = [UInt8](repeating: 0, count: 4096)
            var keys = pollfd(fd: keyboard, events: Int16(POLLIN), revents: 0)
            while state.isOpen, poll(&keys, 1, 0) > 0, case let count = read(keyboard, &buffer, buffer.count), count > 0 {
                state.output += buffer[..<count]
            }
            return state.output
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The lines of the last screen that was drawn whole.
    func screen() -> [String] {
        let drawn = output().components(separatedBy: "\u{1B}[J").dropLast().last ?? ""
        guard let start = drawn.range(of: "\u{1B}[H", options: .backwards) else { return [] }
        // The terminal puts a carriage return before each line feed.
        let text = drawn[start.upperBound...].replacing("\u{1B}[K", with: "").unicodeScalars.filter { $0 != "\r" }
        return String(String.UnicodeScalarView(text)).components(separatedBy: "\n")
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

    /// The same, and the command's output goes to the terminal.
    ///
    /// - Parameter preparation: What the shell does before.
    func launcher(preparation: String) -> [String] {
        ["/bin/sh", "-c", #"terminal=$1; shift; \#(preparation); exec "$@" <"$terminal" >"$terminal""#, "sh", path]
    }

    /// The same, but the shell stays the session's leader, with whose end the system would reset the terminal. It says on standard error whether
    /// the command has left the settings as they were, waits for a line, and exits with the command's status. Signals for the command go to
    /// the process group.
    var watchingLauncher: [String] {
        let script = """
            terminal=$1; shift; exec <"$terminal" >"$terminal"; trap : HUP INT QUIT TERM; ulimit -c 0; before=$(stty -g)
            "$@"
            status=$?
            if [ -n "$before" ] && [ "$(stty -g)" = "$before" ]; then echo settings: same >&2; else echo settings: changed >&2; fi
            read -r line
            exit $status
            """
        return ["/bin/sh", "-c", script, "sh", path]
    }
}
