import ChildProcesses
import Foundation

/// A process that outlives us to clean up: it ends the server and deletes its folder as soon as we are gone, whatever
/// ended us, SIGKILL included.
///
/// It is a shell, blocked in reading a pipe of which we alone hold the other end. The system closes that end when we
/// die, and only then, or in ``dismiss()``. It is told nothing about the server, since no message could be sure to
/// arrive before our death: it looks for processes at work in the folder.
final class ServerGuardian: Sendable {
    private let process: ChildProcess

    /// Posts a guardian to a folder.
    init(folder: String) throws {
        process = try CommandRunner.start {
            // The script goes by the environment, to keep what `ps` prints to a line.
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

    deinit {
        process.closeInput()
        Task.detached { [process] in await process.waitForEnd() }
    }

    /// The guardian's process.
    var processIdentifier: pid_t { process.processIdentifier }

    /// Has the guardian clean up now, and waits until it has.
    func dismiss() async {
        process.closeInput()
        // A task of its own, because in a cancelled one no wait is possible.
        _ = await Task { [process] in try await process.waitForEnd(within: .seconds(30)) }.result
    }

    /// Takes the folder as its argument. Written for any POSIX shell and for systems without procps.
    private static let script = #"""
        trap '' HUP INT QUIT TERM PIPE USR1 USR2 TSTP TTIN TTOU
        folder=$1
        case $folder in */pglock-??????) ;; *) exit 2 ;; esac

        while read -r _; do :; done

        # The server's processes work in its data folder, initdb's in the folder itself. The names keep a shell apart
        # in which somebody looks around there.
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

        # SIGQUIT makes the server stop at once and take its shared memory along, which SIGKILL would leave behind.
        # SIGCONT is for processes that a test has frozen.
        patience=60
        while pids=$(workers) && [ -n "$pids" ] && [ "$patience" -gt -100 ]; do
            if [ "$patience" -gt 0 ]; then
                kill -QUIT $pids
                kill -CONT $pids
            else
                kill -KILL $pids
            fi 2>/dev/null
            patience=$((patience - 1))
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
