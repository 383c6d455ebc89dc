import ChildProcesses
import Foundation

/// A child process that ends the server and deletes its folder when this process ends in any way, including SIGKILL.
///
/// It is a shell that reads from a pipe, of which only this process has the other end. The system closes that end when this process
/// ends, otherwise only ``dismiss()`` does. The guardian gets no message about the server, because this process could be killed before it
/// sends one. Instead it searches for processes that work in the folder.
final class ServerGuardian: Sendable {
    private let process: ChildProcess

    /// Starts the guardian of a folder.
    init(folder: String) throws {
        process = try CommandRunner.start {
            // The script is in the environment, not on the command line, so that `ps` prints a short line.
            try ChildProcess(
                ["/bin/sh", "-c", #"eval "$PGLOCK_GUARDIAN""#, "pglock-guardian", folder],
                environment: CommandRunner.environment.merging(["PGLOCK_GUARDIAN": Self.script]) { $1 },
                directory: "/",
                input: .pipe,
                output: .null,
                error: .null
            )
        }
    }

    /// The guardian's process id.
    var processIdentifier: pid_t { process.processIdentifier }

    /// Lets the guardian clean up now, and waits until it has.
    func dismiss() async {
        process.closeInput()
        // The wait is in a task of its own, because in a cancelled task it would end at once.
        _ = await Task { [process] in try await process.waitForEnd(within: .seconds(30)) }.result
    }

    /// The guardian's script, with the folder as its argument. It runs in any POSIX shell and on systems without procps.
    private static let script = #"""
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
