/// What `pglock run --help` explains.
enum RunHelp {
    static let discussion = """
        Waits for the lock, runs the command, and releases the lock when the command has ended, in the manner of flock(1), \
        but for every machine that reaches the same PostgreSQL database.

        The command gets pglock's standard streams, its terminal, and in its environment PGLOCK_KEY (the lock's number) and \
        PGLOCK_NAME (its name). PGLOCK_KEYS lists the locks of all pglocks around it: \
        a pglock that would wait for the lock of one around it, which waits for its end, is refused at once.

        Signals that are sent to pglock go on to the command: HUP, INT, QUIT, TERM, USR1, USR2, ALRM. While pglock still \
        waits for the lock, they end it.

        Without a command, pglock says on standard error that it holds the lock, and holds it until SIGINT (Ctrl-C) or \
        SIGTERM, upon which it exits with 0.

        For a job that every machine starts at the same time, and one of them is to run, use -n: those that wait would run it \
        one after the other. A machine that starts late finds the lock free again, if the job has ended by then.

        EXAMPLES:
          pglock run nightly -- ./report.sh --full  wait, however long
          pglock run -n nightly ./report.sh         once in the fleet, if all start together
          pglock run -n -E 0 sync rsync -a a/ b/    and call that a success
          pglock run -w 30 deploy ./deploy.sh       wait for at most 30 seconds
          pglock run -s config ./read.sh            many readers, but no writer
          pglock run --number 1,42 ./job.sh         pg_advisory_lock(1, 42)
          pglock run deploy                         nobody deploys until Ctrl-C

        EXIT STATUS:
          That of the command, or 128 + n if signal n has ended it; otherwise
          CODE  the lock was taken (-n) or not free in time (-w): 1, or what -E says
           64   the command line makes no sense
           69   the server can't be reached, does not answer in time, or is not fit for
                locks (pglock doctor says why), or the connection broke too early
           70   the lock was lost while the command ran (see below)
           71   the operating system refused something
           75   the server has no room for the lock, or has broken a deadlock
           77   the server refuses user or password
           78   the URL makes no sense
          126   the command can't be executed
          127   the command does not exist; told before waiting for the lock

        WHEN THINGS BREAK:
        If the database session ends, the lock is lost, and others may hold it. The command then gets SIGTERM, and SIGKILL \
        if it still runs after --kill-after; pglock exits with 70 whatever the command makes of that.

        If pglock itself is killed by SIGKILL, the lock is free at once, but the command runs on, without it. A pglock that \
        is stopped (Ctrl-Z) keeps the lock only as long as the server has patience with it.

        Signals go to the command alone: it should end the processes that it has started itself.
        """
}
