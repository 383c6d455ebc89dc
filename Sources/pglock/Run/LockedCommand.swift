import ChildProcesses
import Foundation
import PostgresLock

/// A command to run under a lock, whose program was found.
struct LockedCommand: Sendable {
    private let program: Program
    private let arguments: [[CChar]]
    private let key: LockKey
    private let mode: LockMode
    /// How many permits there are; `nil` for a lock.
    private let limit: Int?
    /// Whether it gets a process group of its own.
    let inNewGroup: Bool
    private let enclosing: EnclosingRuns

    /// Finds the program.
    ///
    /// - Parameters:
    ///   - words: The command and its arguments, which are the end of pglock's own command line.
    ///   - key: The lock that the command runs under; with permits, that of their name.
    ///   - mode: How the lock is held.
    ///   - limit: How many permits there are, of which the command has one; `nil` for a lock.
    ///   - inNewGroup: Whether the command gets a process group of its own, to which its signals go.
    init(
        _ words: [String],
        key: LockKey,
        mode: LockMode = .exclusive,
        limit: Int? = nil,
        inNewGroup: Bool = false,
        enclosing: EnclosingRuns
    ) throws {
        arguments = CommandLineTail.bytes(of: words)
        program = try Program.find(arguments.first ?? [0], searchPath: ProcessInfo.processInfo.environment["PATH"])
        self.key = key
        self.mode = mode
        self.inNewGroup = inNewGroup
        self.limit = limit
        self.enclosing = enclosing
    }

    /// Starts the command, which finds the blocked and ignored signals, and the descriptors, that pglock has found.
    ///
    /// On Linux, the system ends it by SIGKILL when this process ends: see ``CommandLauncher``.
    ///
    /// - Parameters:
    ///   - slot: The number of its permit, if it has one.
    ///   - holdsKey: Whether this process holds the lock, or the permit; `false` if one around it does.
    func start(slot: Int? = nil, holdsKey: Bool = true) throws -> ChildProcess {
        // What is missing is removed, since that of an enclosing pglock belongs to another lock.
        let changes: [String: String?] = [
            "PGLOCK_KEY": limit == nil ? KeyText.numbers(of: key) : nil, "PGLOCK_NAME": key.name, "PGLOCK_SLOT": slot.map(String.init),
            EnclosingRuns.variable: holdsKey ? entries(withSlot: slot) : enclosing.text,
        ]
        let environment = ChildEnvironment.bytes(changing: changes)
        let surroundings = ChildProcess.Surroundings.ours(blocked: SignalMask.inherited, inNewGroup: inNewGroup)
        do {
            return try CommandLauncher.start(program, arguments, environment, surroundings)
        } catch let failure as SystemFailure {
            throw program.failure(failure)
        }
    }

    private func entries(withSlot slot: Int?) -> String {
        if let slot, let limit { enclosing.adding(permit: slot, of: limit, key) } else { enclosing.adding(key, mode) }
    }
}
