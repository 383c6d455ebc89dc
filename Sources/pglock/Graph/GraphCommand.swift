import ArgumentParser
import CommandSupport
import Foundation
import PostgresLock

/// `pglock graph`: shows who waits for whom.
struct GraphCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Show who waits for whom: as text, DOT, SVG, or a page of HTML.",
        discussion: """
            Shows the locks that sessions wait for, their holders, and the sessions that wait. Sessions of one lock manager are drawn as one: \
            those with the same role and the same application_name, if it ends in a mark such as "#k7q2m". What waits for itself by way of others, \
            a ring, is marked. It takes no lock, and works with the rights of any role.

            Only advisory locks are shown. A wait inside a process, for a lock that another of its tasks has, is not seen.

            EXAMPLES:
              pglock graph                               as text
              pglock graph --format html > locks.html    a page that needs no other file
              pglock graph --format dot | dot -Tpdf > locks.pdf

            EXIT STATUS:
                0  also if no session waits
               64  the command line is invalid
               69  the server can't be reached
               77  the server refuses user or password
               78  the URL is invalid
            """
    )

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, dot, svg, html
    }

    @Option(name: .shortAndLong, help: ArgumentHelp("text, dot, svg or html.", valueName: "format"))
    var format = Format.text

    @Option(help: ArgumentHelp("The name of a lock, to show in place of its number; several times for several.", valueName: "name"))
    var name: [String] = []

    @OptionGroup
    var nameOptions: NameOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() throws {
        let server = try LookSession(connection)
        let names = try nameOptions.known(name, database: server.database)
        var look = LockLook()
        look.isContendedOnly = true
        let graph = WaitGraph(try server.find(look), names)
        switch format {
        case .text: print(graph.text)
        case .dot: print(graph.dot)
        case .svg: print(GraphSVG(graph: graph).text(standsAlone: true), terminator: "")
        case .html: print(GraphPage(graph: graph, database: server.database).text, terminator: "")
        }
    }
}
