/// The text of `pglock run --help`.
enum RunHelp {
    static let discussion = """
        Waits for the lock, runs the command, and releases the lock when the command has ended, like flock(1), but for all \
        machines that use the same PostgreSQL database.

        The command gets pglock's standard streams, its terminal, and in its environment PGLOCK_KEY (the lock's number) and \
        PGLOCK_NAME (its name). PGLOCK_KEYS lists the locks and slots of all pglocks around it.

        A pglock run inside another one that holds the same lock does not ask for it again, since each would wait for the other. It says \
        so on standard error, and runs its command under the lock of the other one. It is refused if that is a shared lock, and it is to \
        run alone; so are --once-per and pglock elect, whose locks say more.

        pglock forwards signals to the command: HUP, INT, QUIT, TERM, USR1, USR2, ALRM. While pglock waits for the lock, they \
        end pglock.

        Without a command, pglock prints on standard error that it holds the lock. It holds the lock until SIGINT (Ctrl-C) or \
        SIGTERM, and exits with 0 then.

        If all machines start a job at the same time and one of them is to run it, use -n: without it, the others would run the \
        job one after the other. A machine that starts late gets the lock if the job has ended by then.

        To run it once in any case, use --once-per: the first machine of the interval runs the command, the others exit with 0 at \
        once, also those that come after its end. The intervals are those of the server's clock (midnight to midnight UTC for 24h), or with \
        --since-last begin with each run. Two runs are at least half an interval apart: a run at 22:00, by hand for instance, puts \
        the one of 02:00 off until 10:00. Try a command under another key. A command that has failed is not run again in the same interval, unless --repeat-after says so. \
        It takes a table: see pglock schema.

        With --slots 5 up to five commands run at a time, on all machines together; a sixth waits. They start in the order in which their \
        pglocks came, but for a few exceptions. The command finds the number of its slot, 1 to 5, in PGLOCK_SLOT, and no PGLOCK_KEY. All have to \
        give the same number of slots: one with another number exits with 78. The name has nothing to do with the lock of the same name. A \
        pglock inside another one that has a slot of the same name does not ask for a second slot, because all pglocks with a slot could wait \
        for that. It says so on standard error, and runs its command in the slot of the other one; without a command it is refused.

        EXAMPLES:
          pglock run nightly -- ./report.sh --full  wait without limit
          pglock run -n nightly ./report.sh         run once, if all machines start together
          pglock run --once-per 24h nightly ./report.sh
                                                    run once a day
          pglock run -n -E 0 sync rsync -a a/ b/    exit with 0 if the lock is taken
          pglock run -w 30 deploy ./deploy.sh       wait for at most 30 seconds
          pglock run -s config ./read.sh            many readers, but no writer
          pglock run --number 1,42 ./job.sh         pg_advisory_lock(1, 42)
          pglock run --scheme sqlx orders ./job.sh  the lock of a program in Rust
          pglock run --slots 5 encode ./encode.sh   at most five at a time
          pglock run deploy                         block deployments until Ctrl-C

        EXIT STATUS:
          That of the command, or 128 + n if signal n has ended it; otherwise
          CODE  the lock was taken (-n) or not free in time (-w): 1, or what -E says
           64   the command line is invalid
           69   the server can't be reached, does not answer in time, or is unfit for
                locks (see pglock doctor), or the connection was lost too early
           70   the lock was lost while the command ran, or pglock kick has asked for it (see below)
           71   the operating system refused something
           75   the server has no room for the lock, or has broken a deadlock
           77   the server refuses user or password
           78   the URL is invalid; or the table for --once-per is missing, or
                contradicts the command line; or another pglock has another
                number of --slots
          126   the command can't be executed
          127   the command does not exist; reported before the wait for the lock

        FAILURES:
        If the database session ends, the lock is lost, and others may hold it. The command then gets SIGTERM, and SIGKILL \
        if it still runs after --kill-after. pglock exits with 70, whatever the command's status is.

        If pglock kick asks for the lock, the command gets the same signals, the lock is released once the command has ended, and pglock \
        exits with 70. Without a command, pglock releases the lock, and exits with 0.

        If pglock is killed by SIGKILL, the lock is free at once. On Linux the command is killed with it, unless it has changed its user, \
        as sudo does; what the command has started runs on. On other systems the command runs on, too. A pglock that is stopped \
        (Ctrl-Z) loses the lock after 30 seconds, when a server of version 14 or later ends its silent session.

        Signals go to the command only, which should end the processes that it has started. With --process-group the command has a process \
        group of its own, and signals go to all processes of the group. If the lock is lost, those that are left when the command itself \
        has ended get SIGKILL. The group is not the one in the terminal's foreground: a Ctrl-C is forwarded, a Ctrl-Z stops pglock only, \
        and the system stops what reads from the terminal.

        As the first process of a container, pglock collects the orphans of its command, and handles signals; it needs no init.
        """
}
