/// A task, and the contenders that perform it.
struct Workload: Sendable {
    let name: String
    let title: String
    /// What a reader has to know about the numbers.
    let note: String
    let contenders: [Contender]

    /// The contenders of a round, each time beginning with another one, so that no contender always follows the same one.
    func contenders(inRound round: Int) -> [Contender] {
        let taking = contenders.filter { round < $0.rounds }
        guard !taking.isEmpty else { return [] }
        let start = round % taking.count
        return Array(taking[start...] + taking[..<start])
    }
}
