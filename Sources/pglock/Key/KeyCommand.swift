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

            EXAMPLES:
              $ pglock key my-lock
              4791209619368833285
              $ psql -c "SELECT pg_try_advisory_lock($(pglock key my-lock))"
            """
    )

    @Argument(help: "One or more names. After -- they may begin with a dash.")
    var names: [String]

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let keys = try names.map { try KeyText.parse($0, isNumber: false) }
        if json {
            print(try KeyRecord.json(keys.compactMap(KeyRecord.init)))
        } else {
            for number in keys.compactMap(\.number) { print(number) }
        }
    }
}
