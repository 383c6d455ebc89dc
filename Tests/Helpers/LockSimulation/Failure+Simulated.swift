import LockCore

// What a server reports when something goes wrong.
extension Failure {
    static let lost = Failure(.connectionLost, "The connection was lost.")
    static let replaced = Failure(.connectionLost, "Another server was promoted.")
    static let full = Failure(.lockTableFull, "The lock table is full.", sqlState: "53200")
    static let cancelledByServer = Failure(.cancelled, "Cancelled.", sqlState: "57014")
    static let lockTimeout = Failure(.lockTimeout, "Lock timeout.", sqlState: "55P03")
    static let deadlock = Failure(.deadlock, "Deadlock detected.", sqlState: "40P01")
    static let mistake = Failure(.statement, "Division by zero.", sqlState: "22012")
    static let noLanguage = Failure(.statement, "There is no PL/pgSQL.", sqlState: "42704")
    static let noSavepoint = Failure(.statement, "No such savepoint.", sqlState: "3B001")
    static let noTransaction = Failure(.statement, "No transaction is open.", sqlState: "25P01")
    static let inTransaction = Failure(.statement, "Not in a transaction.", sqlState: "25001")
    static let aborted = Failure(.transactionAborted, "Current transaction is aborted.", sqlState: "25P02")

    static func randomError(_ chance: Chance) -> Failure {
        chance.one(of: [
            .full, .cancelledByServer, .deadlock, Failure(.statement, "Something else.", sqlState: "XX000"),
        ])
    }
}
