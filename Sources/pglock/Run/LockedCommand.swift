import Foundation
import PostgresLock

/// A command to be run under a lock, found and ready to start.
struct LockedCommand: Sendable {
    private let program: Program
    private let arguments: [[CChar]]
    private let key: LockKey

    /// Finds the command; the words, it and its arguments, are the end of our own command line.
    init(_ words: [String], key: LockKey) throws {
        arguments = CommandLineTail.bytes(of: words)
        program = try Program.find(arguments.first ?? [0], searchPath: ProcessInfo.processInfo.environment["PATH"])
        self.key = key
    }

    func start() throws -> Subprocess {
        let number = key.number.map { "\($0)" } ?? key.pair.map { "\($0.first),\($0.second)" }
        // A name from a pglock around us would be that of another lock.
        let changes = ["PGLOCK_KEY": number, "PGLOCK_NAME": key.name]
        return try Subprocess(program, arguments: arguments, environment: ChildEnvironment.bytes(changing: changes))
    }
}
