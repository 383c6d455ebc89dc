import ArgumentParser
import PostgresLock

/// The option for the table that records the runs of jobs.
struct TableOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The table that records runs; default: public.pglock_runs.",
            valueName: "schema.table"
        )
    )
    var table: RunTable?

    var runTable: RunTable { table ?? RunTable() }
}
