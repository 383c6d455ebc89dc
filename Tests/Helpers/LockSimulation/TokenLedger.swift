import LockCore

/// Which tokens were given out for which of the server's grants, and to which holders.
struct TokenLedger {
    private struct Entry {
        let token: SimulatedToken
        /// The server's grants are numbered in their order.
        let tenure: Int
        let mode: Mode
    }

    private var entries: [AdvisoryKey: [Entry]] = [:]

    /// - Returns: The violation; `nil` if there is none.
    mutating func add(_ token: SimulatedToken, for key: AdvisoryKey, tenure: Int, _ mode: Mode) -> String? {
        let entry = Entry(token: token, tenure: tenure, mode: mode)
        let wrong = entries[key, default: []].first { !isInOrder($0, entry) }
        entries[key, default: []].append(entry)
        // An older token was compared with those after it.
        if entries[key, default: []].count > 100 { entries[key]?.removeFirst(50) }
        return wrong.map { "grant \(tenure) of key \(key) got the token \(token), after grant \($0.tenure) had got \($0.token)" }
    }

    private func isInOrder(_ earlier: Entry, _ entry: Entry) -> Bool {
        if earlier.tenure == entry.tenure { return earlier.token < entry.token }
        if earlier.mode == .shared, entry.mode == .shared { return earlier.token != entry.token }
        return earlier.tenure < entry.tenure ? earlier.token < entry.token : earlier.token > entry.token
    }
}
