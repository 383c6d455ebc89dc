import ArgumentParser
import PostgresLock

/// `pglock key`: prints the numbers of names.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Print the number that a lock's name stands for.",
        discussion: """
            PostgreSQL identifies advisory locks by numbers. The number of a name is the first 8 bytes of the SHA-1 of its UTF-8, \
            as in Python's postgresql-lock. Prints one line for each name. No server is needed.

            With --json, prints an array with the columns of pg_locks for the lock. JavaScript can't represent all keys exactly; it \
            can represent classid and objid.

            With --scheme, prints the keys of other libraries, so that programs in other languages share the lock. Some are pairs of \
            numbers, printed with a comma, as PostgreSQL's functions and `pglock run --number` take them.

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

    @Option(help: ArgumentHelp("The library whose keys are printed; see above.", valueName: "scheme"))
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
            print(try keys.map(KeyRecord.init).json())
        } else {
            for (_, key) in keys { print(KeyText.numbers(of: key)) }
        }
    }
}
