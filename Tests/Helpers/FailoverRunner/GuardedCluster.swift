import ChildProcesses
import Foundation

/// The folder of a cluster. When this process ends in any way, a shell ends the processes that work in the folder, and deletes it.
///
/// The shell reads from a pipe, of which only this process has the other end.
struct GuardedCluster: Sendable {
    let path: String
    private let cleanup: ChildProcess

    init(owner: uid_t, group: gid_t) throws {
        var template = Array("/tmp/pglock-cluster-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemFailure("Creating a folder in /tmp failed", errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        if geteuid() == 0, chown(path, owner, group) != 0 { throw SystemFailure("Giving \(path) away failed", errno) }
        cleanup = try ChildProcess(
            ["/bin/sh", "-c", #"eval "$FAILOVER_CLEANUP""#, "failover-cleanup", path],
            environment: FailoverTools.environment.merging(["FAILOVER_CLEANUP": Self.script]) { $1 },
            directory: "/",
            input: .pipe,
            output: .null,
            error: .null
        )
    }

    /// Ends the processes, and deletes the folder.
    func remove() async {
        cleanup.closeInput()
        _ = await cleanup.waitForEnd()
    }

    /// Patroni would start a server that has ended, so it is ended first. On SIGQUIT, for which it must not be stopped, a server removes its shared
    /// memory.
    private static let script = #"""
        trap '' HUP INT QUIT TERM PIPE USR1 USR2 TSTP TTIN TTOU
        folder=$1
        case $folder in /tmp/pglock-cluster-??????) ;; *) exit 2 ;; esac
        while read -r _; do :; done

        members() {
            for process in /proc/[0-9]*; do
                case $(readlink "$process/cwd") in "$folder" | "$folder"/*) ;; *) continue ;; esac
                read -r name < "$process/comm" || continue
                case $name in $1) echo "${process#/proc/}" ;; esac
            done 2>/dev/null
        }
        end() {
            rounds=0
            while pids=$(members "$2") && [ -n "$pids" ] && [ "$rounds" -lt 100 ]; do
                if [ "$rounds" -lt "$3" ]; then kill "-$1" $pids; kill -CONT $pids; else kill -KILL $pids; fi 2>/dev/null
                rounds=$((rounds + 1))
                sleep 0.05
            done
        }
        end KILL 'patroni*' 0
        end QUIT 'postgres*' 40
        end KILL '*etcd*' 0
        end KILL '[!s]*' 0
        for file in "$folder"/*/data/postmaster.pid; do
            key=$(sed -n '7s/^ *\([0-9][0-9]*\).*/\1/p' "$file" 2>/dev/null) && [ -n "$key" ] && ipcrm -M "$key" 2>/dev/null
        done
        rm -rf "$folder"
        """#
}
