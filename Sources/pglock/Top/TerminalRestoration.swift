import CommandSupport
import Foundation

/// The settings that the terminal had. Safe because they are set before the handlers are installed, never freed, and not changed afterwards.
private nonisolated(unsafe) var terminalSettings: UnsafePointer<termios>?

/// Restores the terminal when a signal ends this process.
///
/// A handler does that itself, because the thread that draws may be waiting for the server.
enum TerminalRestoration {
    /// Lines are continued on the next one; the cursor; the screen that was there before.
    private static let sequence: StaticString = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"
    private static let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]

    /// Handles the signals that end processes, except for those that this process was started to ignore.
    ///
    /// - Parameter settings: What is to be set at the end.
    static func begin(_ settings: termios) {
        let kept = UnsafeMutablePointer<termios>.allocate(capacity: 1)
        kept.initialize(to: settings)
        terminalSettings = UnsafePointer(kept)
        // Made here, because a handler must not make it.
        _ = sequence
        let handler: @convention(c) (Int32) -> Void = { number in
            TerminalRestoration.restore()
            // The signal is blocked until the handler returns, and then ends the process.
            signal(number, SIG_DFL)
            raise(number)
        }
        for number in signals where !SignalRelay.isIgnored(number) { signal(number, handler) }
    }

    /// Restores settings and screen, at the end or in a handler. Only functions that POSIX allows in a signal handler are called here.
    static func restore() {
        guard let settings = terminalSettings else { return }
        tcsetattr(STDIN_FILENO, TCSANOW, settings)
        // A terminal that takes no output must not keep the process for longer than that.
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&output, 1, 1000) > 0 else { return }
        _ = write(STDOUT_FILENO, sequence.utf8Start, sequence.utf8CodeUnitCount)
    }
}
