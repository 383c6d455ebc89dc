import ChildProcesses
import Foundation
import PostgresLock

/// A command to run under a lock, whose program was found.
struct LockedCommand: Sendable {
    private let program: Program
    private let arguments: [[CChar]]
    private let key: LockKey?
    private let name: String?
    private let enclosing: EnclosingRuns

    /// Finds the program.
    ///
    /// - Parameters:
    ///   - words: The command and its arguments, which are the end of pglock's own command line.
    ///   - key: The lock that the command runs under; `nil` if it has one of several permits.
    ///   - name: The name of the permits.
    init(_ words: [String], key: LockKey?, name: String? = nil, enclosing: EnclosingRuns) throws {
        arguments = CommandLineTail.bytes(of: words)
        program = try Program.find(arguments.first ?? [0], searchPath: ProcessInfo.processInfo.environment["PATH"])
        self.key = key
        self.name = name ?? key?.name
        self.enclosing = enclosing
    }

    /// Starts the command, which finds the blocked and ignored signals, and the descriptors, that pglock has found.
    ///
    /// - Parameter slot: The number of its permit, if it has one.
    func start(slot: Int? = nil) throws -> ChildProcess {
        // What is missing is removed, since that of an enclosing pglock belongs to another lock.
        let changes = [
            "PGLOCK_KEY": key.map(KeyText.numbers), "PGLOCK_NAME": name, "PGLOCK_SLOT": slot.map(String.init),
            EnclosingRuns.variable: enclosing.adding(key),
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
