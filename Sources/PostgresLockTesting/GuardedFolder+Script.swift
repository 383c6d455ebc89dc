extension GuardedFolder {
    /// The script of the cleanup process, with the folder as its argument. It runs in any POSIX shell and on systems without procps.
    static let script = #"""
        trap '' HUP INT QUIT TERM PIPE USR1 USR2 TSTP TTIN TTOU
        folder=$1
        case $folder in */pglock-??????) ;; *) exit 2 ;; esac

        while read -r _; do :; done

        # The working folder of the server's processes is the data folder, that of initdb the folder itself. Only processes with
        # these names are ended, so not a user's shell in the folder.
        workers() {
            if [ -e /proc/self/cwd ]; then
                for process in /proc/[0-9]*; do
                    [ "$process/cwd" -ef "$folder" ] || [ "$process/cwd" -ef "$folder/data" ] || continue
                    read -r name < "$process/comm" || continue
                    case $name in
                        postgres | postmaster | initdb | cp | setpriv | gosu | su-exec | chroot) echo "${process#/proc/}" ;;
                    esac
                done
            else
                lsof -t -a -c postgres -c initdb -c cp -d cwd -- "$folder" "$folder/data"
            fi 2>/dev/null
        }

        # On SIGQUIT the server stops at once and removes its shared memory, which SIGKILL would leave.
        # SIGCONT continues processes that a test has stopped. After 60 rounds (3 s) SIGKILL follows.
        rounds=0
        while pids=$(workers) && [ -n "$pids" ] && [ "$rounds" -lt 160 ]; do
            if [ "$rounds" -lt 60 ]; then
                kill -QUIT $pids
                kill -CONT $pids
            else
                kill -KILL $pids
            fi 2>/dev/null
            rounds=$((rounds + 1))
            sleep 0.05
        done

        # A server that was killed leaves its shared memory segment. Its key is in line 7 of postmaster.pid.
        if key=$(sed -n '7s/^ *\([0-9][0-9]*\).*/\1/p' "$folder/data/postmaster.pid" 2>/dev/null) && [ -n "$key" ]; then
            ipcrm -M "$key" 2>/dev/null
        fi

        attempts=20
        while rm -rf "$folder"; [ -e "$folder" ] && [ "$attempts" -gt 0 ]; do
            attempts=$((attempts - 1))
            sleep 0.1
        done
        """#
}
