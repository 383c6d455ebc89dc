import LockCore

// What a server reports when something goes wrong.
extension Failure {
    static let lost = Failure(.connectionLost, "The connection was lost.")
    static let full = Failure(.lockTableFull, "The lock table is full.", sqlState: "53200")
    static let cancelledByServer = Failure(.cancelled, "Cancelled.", sqlState: "57014")
    static let aborted = Failure(.transactionAborted, "Current transaction is aborted.", sqlState: "25P02")

    static func randomError(_ chance: Chance) -> Failure {
        chance.one(of: [
            .full, .cancelledByServer, Failure(.deadlock, "Deadlock detected.", sqlState: "40P01"),
            Failure(.statement, "Something else.", sqlState: "XX000"),
        ])
    }
}
