import ArgumentParser
import PostgresLock

/// `pglock schema`: prints the SQL of the table that records the runs of jobs.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the SQL that makes the table for run --once-per.",
        discussion: """
            Locks need no table. To run a command once per interval, pglock has to remember when it has run: in a small table with a \
            row for each KEY. Nothing makes it silently. This command prints the SQL, and no server is needed.

            The owner of the schema makes the table, once; a second time does no harm. A role that runs commands needs the rights \
            SELECT, INSERT and UPDATE on it; with DELETE, too, rows that are not used any more go.

            EXAMPLES:
              $ pglock schema | psql -v ON_ERROR_STOP=1 postgres://owner@host/database
              $ psql -c 'GRANT SELECT, INSERT, UPDATE, DELETE ON pglock_runs TO cron'
              $ pglock schema --table jobs.runs
            """
    )

    @OptionGroup
    var table: TableOptions

    func run() {
        print(table.runTable.definition, terminator: "")
    }
}
