import ChildProcesses
import Foundation
import PostgresLock

/// A command to run under a lock, whose program was found.
struct LockedCommand: Sendable {
    private let program: Program
    private let arguments: [[CChar]]
    private let key: LockKey
    private let enclosing: EnclosingRuns

    /// Finds the program.
    ///
    /// - Parameter words: The command and its arguments, which are the end of pglock's own command line.
    init(_ words: [String], key: LockKey, enclosing: EnclosingRuns) throws {
        arguments = CommandLineTail.bytes(of: words)
        program = try Program.find(arguments.first ?? [0], searchPath: ProcessInfo.processInfo.environment["PATH"])
        self.key = key
        self.enclosing = enclosing
    }

    /// Starts the command, which finds the blocked and ignored signals, and the descriptors, that pglock has found.
    func start() throws -> ChildProcess {
        // Without a name, that of an enclosing pglock is removed, which belongs to another lock.
        let changes = [
            "PGLOCK_KEY": KeyText.numbers(of: key), "PGLOCK_NAME": key.name, EnclosingRuns.variable: enclosing.adding(key),
        ]
        do {
            return try ChildProcess(
                program: program.path,
                arguments: arguments,
                environment: ChildEnvironment.bytes(changing: changes),
                surroundings: .ours(blocked: SignalMask.inherited)
            )
        } catch {
            throw program.failure(error)
        }
    }
}
