import ArgumentParser
import CommandSupport
import Foundation
import PostgresLock

/// `pglock top`: watches which locks are waited for.
struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch which locks are waited for, and by whom.",
        discussion: """
            On a terminal a full screen, otherwise, or if TERM is unset or "dumb", lines. The locks with the most waiting sessions come first. It takes no lock, and works with \
            the rights of any role.

            KEYS:
              up, down (k, j)  select a lock
              Enter            its holders and waiting sessions; again for the list
              /                show only locks and instances that contain a text; Enter ends it, an empty text shows all
              Space            look at once
              q, Ctrl-C        quit

            A look takes the server 2 to 5 ms for each thousand locks; the pause is twenty times as long at least, up to 20 s.

            EXAMPLES:
              pglock top
              pglock top --names locks.txt --interval 5
              pglock top --count 1 | head          one look, as lines

            EXIT STATUS:
                0  quit, or --count looks were taken
               64  the command line is invalid
               69  the server can't be reached
               77  the server refuses user or password
               78  the URL is invalid
            """
    )

    @Option(help: ArgumentHelp("The pause between two looks.", valueName: "seconds"))
    var interval = 2.0

    @Option(help: ArgumentHelp("End after so many looks.", valueName: "looks"))
    var count: Int?

    @Option(help: ArgumentHelp("The name of a lock, to show in place of its number; several times for several.", valueName: "name"))
    var name: [String] = []

    @OptionGroup
    var nameOptions: NameOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        try Seconds.require(interval > 0 && interval <= Seconds.limit, "--interval", interval)
        if let count, count < 1 { throw ValidationError("--count is \(count); it has to be at least 1.") }
    }

    func run() throws {
        let server = try LookSession(connection)
        let names = try nameOptions.known(name, database: server.database)
        var look = LockLook()
        look.isContendedOnly = true
        let screen = TerminalScreen.isPossible ? try TerminalScreen() : nil
        defer { screen?.close() }
        var view = TopView(database: server.database, names: names)
        var looks = 0
        while true {
            let begin = ContinuousClock.now
            view.found = try server.find(look)
            looks += 1
            let pause = max(interval, LookPause.after(ContinuousClock.now - begin) / .seconds(1))
            guard let screen else {
                print(view.lines(width: nil, height: nil).joined(separator: "\n"))
                fflush(nil)
                if looks == count { return }
                Thread.sleep(forTimeInterval: pause)
                print()
                continue
            }
            if try !show(&view, on: screen, for: pause) || looks == count { return }
        }
    }

    /// Shows the view, and takes keys, until the next look is due.
    ///
    /// - Returns: Whether to go on.
    private func show(_ view: inout TopView, on screen: TerminalScreen, for pause: Double) throws -> Bool {
        let end = Date().addingTimeInterval(pause)
        while true {
            let size = screen.size
            screen.draw(view.lines(width: size.width, height: size.height))
            var key: TerminalKey?
            // Short waits, because a window that gets another size presses no key.
            while key == nil, screen.size == size {
                let rest = end.timeIntervalSinceNow
                guard rest > 0 else { return true }
                key = screen.readKey(within: min(rest, 0.2))
            }
            guard let key else { continue }
            switch view.handle(key) {
            case .quit: return false
            case .look: return true
            case .redraw: continue
            }
        }
    }
}
