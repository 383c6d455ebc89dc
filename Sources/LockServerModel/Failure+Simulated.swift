package import LockCore

// What a server reports when something goes wrong.
extension Failure {
    package static let lost = Failure(.connectionLost, "The connection was lost.")
    package static let replaced = Failure(.connectionLost, "Another server was promoted.")
    package static let full = Failure(.lockTableFull, "The lock table is full.", sqlState: "53200")
    package static let cancelledByServer = Failure(.cancelled, "Cancelled.", sqlState: "57014")
    package static let lockTimeout = Failure(.lockTimeout, "Lock timeout.", sqlState: "55P03")
    package static let deadlock = Failure(.deadlock, "Deadlock detected.", sqlState: "40P01")
    package static let mistake = Failure(.statement, "Division by zero.", sqlState: "22012")
    package static let noLanguage = Failure(.statement, "There is no PL/pgSQL.", sqlState: "42704")
    package static let noSavepoint = Failure(.statement, "No such savepoint.", sqlState: "3B001")
    package static let noTransaction = Failure(.statement, "No transaction is open.", sqlState: "25P01")
    package static let inTransaction = Failure(.statement, "Not in a transaction.", sqlState: "25001")
    package static let aborted = Failure(.transactionAborted, "Current transaction is aborted.", sqlState: "25P02")

    package static func randomError(_ chance: Chance) -> Failure {
        chance.one(of: [
            .full, .cancelledByServer, .deadlock, Failure(.statement, "Something else.", sqlState: "XX000"),
        ])
    }
}
