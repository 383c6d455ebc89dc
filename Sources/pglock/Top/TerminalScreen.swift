import ChildProcesses
import CommandSupport
import Foundation

/// A key that was pressed.
enum TerminalKey: Hashable {
    case character(Character)
    case up
    case down
    case enter
    case escape
    case backspace
    case interrupt
}

/// A terminal, whose whole screen is drawn, and whose keys are read one by one. At the end, also by a signal, it is as it was.
final class TerminalScreen {
    private var isOpen = true

    /// Whether there are a terminal and keys, and the terminal knows how to move its cursor.
    static var isPossible: Bool {
        let kind = ProcessInfo.processInfo.environment["TERM"] ?? ""
        return isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1 && !["", "dumb"].contains(kind)
    }

    init() throws {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else {
            throw CommandFailure(ExitStatus.systemError, "The terminal's settings can't be read.")
        }
        TerminalRestoration.begin(settings)
        // Keys come at once, without an echo, and Ctrl-C as a key, so that the screen is restored.
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        // Ctrl-S is a key, too: it would stop the output, and with it what restores the screen.
        settings.c_iflag &= ~tcflag_t(IXON)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        // The other screen, without a cursor. Lines are not continued on the next one: wide characters count as one.
        _ = Descriptor.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l", to: STDOUT_FILENO)
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        TerminalRestoration.restore()
    }

    var size: (width: Int, height: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Draws the lines, and clears the rest.
    func draw(_ lines: [String]) {
        let text = lines.map { "\($0)\u{1B}[K" }.joined(separator: "\r\n")
        _ = Descriptor.write("\u{1B}[H\(text)\u{1B}[J", to: STDOUT_FILENO)
    }

    /// - Returns: `nil` if no key is pressed in that time, or an unknown one; ``TerminalKey/interrupt`` at the end of the input.
    func readKey(within seconds: Double) -> TerminalKey? {
        guard isReadable(within: seconds) else { return nil }
        // The terminal is gone.
        guard let byte = readByte() else { return .interrupt }
        switch byte {
        case 3: return .interrupt
        case 10, 13: return .enter
        case 8, 127: return .backspace
        case 27: return readSequence()
        case 32..<127: return .character(Character(UnicodeScalar(byte)))
        default: return nil
        }
    }

    /// A key that sends several bytes, or Escape alone.
    private func readSequence() -> TerminalKey? {
        guard isReadable(within: 0.02), readByte() == UInt8(ascii: "["), let byte = readByte() else { return .escape }
        switch byte {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        default: return nil
        }
    }

    private func isReadable(within seconds: Double) -> Bool {
        var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, Int32(max(1, min(seconds * 1000, 1e9)))) > 0
    }

    /// - Returns: `nil` at the end of the input.
    private func readByte() -> UInt8? {
        var byte: UInt8 = 0
        return read(STDIN_FILENO, &byte, 1) == 1 ? byte : nil
    }
}
