/// The server's answer to one statement.
///
/// Most answers are one row of Booleans. So that is stored in place, and what is rare is allocated: an answer is copied several times on its way.
package struct Reply: Sendable {
    private var firstRow: BooleanRow = []
    private var furtherRows: [Bool] = []
    private var rare: Rare?
    /// The state of the session's transaction after the statement.
    package var transaction = Transaction.unknown

    package init() {}

    package enum Transaction: Sendable {
        case none
        case open
        /// A statement has failed. The transaction can only be rolled back, as a whole or to a savepoint; locks taken since then are
        /// released already.
        case aborted
        /// Another statement was sent behind this one.
        case unknown
    }

    private final class Rare: Sendable {
        let result: QueryResult?
        let error: ServerError?
        let waitOutcome: WaitOutcome?

        init(_ result: QueryResult?, _ error: ServerError?, _ waitOutcome: WaitOutcome?) {
            (self.result, self.error, self.waitOutcome) = (result, error, waitOutcome)
        }
    }

    // MARK: Booleans

    /// For a statement with the shape `booleans` or `booleanRow`: its values, including those before an error.
    package var booleans: [Bool] {
        get {
            var values: [Bool] = []
            firstRow.append(to: &values)
            return values + furtherRows
        }
        set {
            firstRow = BooleanRow(newValue)
            furtherRows = Array(newValue.dropFirst(firstRow.count))
        }
    }

    /// The value, if there is exactly one.
    package var onlyBoolean: Bool? { firstRow.count == 1 && furtherRows.isEmpty ? firstRow[0] : nil }

    mutating func append(_ row: BooleanRow) {
        if firstRow.count == 0, furtherRows.isEmpty { firstRow = row } else { row.append(to: &furtherRows) }
    }

    // MARK: What is rare

    /// For a statement with the shape `rows` that has succeeded.
    package var result: QueryResult? {
        get { rare?.result }
        set { rare = Rare(newValue, error, waitOutcome) }
    }

    package var error: ServerError? {
        get { rare?.error }
        set { rare = Rare(result, newValue, waitOutcome) }
    }

    /// For a statement with the shape `waitOutcome` that has reported its outcome, and has not failed afterwards, as far as its results have come.
    package var waitOutcome: WaitOutcome? { rare?.waitOutcome }

    /// The statement was a wait that has reported its outcome. One that was granted has no error.
    mutating func note(_ outcome: WaitOutcome, _ message: String?) {
        guard error == nil else { return }
        rare = Rare(result, outcome.error(message), outcome)
        if outcome == .granted { booleans = [true] }
    }
}
