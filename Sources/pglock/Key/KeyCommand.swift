import ArgumentParser
import PostgresLock

/// `pglock key`: names to numbers.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Print the number that a lock's name stands for.",
        discussion: """
            PostgreSQL knows advisory locks by numbers. That of a name is made of the first 8 bytes of the SHA-1 of its \
            UTF-8, as Python's postgresql-lock does it. One line for each name; no server is asked.

            With --json an array, with the columns by which pg_locks shows the lock. The key is a number beyond what \
            JavaScript holds exactly; classid and objid are not.

            With --scheme, the keys of other libraries, so that programs in other languages share the lock. Some are pairs of \
            numbers, which are printed with a comma, as PostgreSQL's functions take them, and `pglock run --number` too.

            SCHEMES:
            \(KeyScheme.list)

            EXAMPLES:
              $ pglock key my-lock
              4791209619368833285
              $ psql -c "SELECT pg_try_advisory_lock($(pglock key my-lock))"
            """
    )

    @Argument(help: "One or more names. After -- they may begin with a dash.")
    var names: [String]

    @Option(help: ArgumentHelp("Whose way of making keys from names; see above.", valueName: "scheme"))
    var scheme = KeyScheme.postgresqlLock

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        for name in names { try RawText.require(name, "the lock's name") }
    }

    func run() throws {
        let keys = try names.map { name in
            guard scheme != .postgresqlLock else { return (name, try KeyText.parse(name, isNumber: false)) }
            return (name, try scheme.key(name))
        }
        if json {
            print(try KeyRecord.json(keys.map(KeyRecord.init)))
        } else {
            for (_, key) in keys { print(KeyText.numbers(of: key)) }
        }
    }
}
