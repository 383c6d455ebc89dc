/// A thing to do, and those who do it.
struct Workload: Sendable {
    let name: String
    let title: String
    /// What one has to know to read the numbers.
    let note: String
    let contenders: [Contender]

    /// Those that take part in a round, each time beginning with another one, so that nobody always follows the same.
    func contenders(inRound round: Int) -> [Contender] {
        let taking = contenders.filter { round < $0.rounds }
        guard !taking.isEmpty else { return [] }
        let start = round % taking.count
        return Array(taking[start...] + taking[..<start])
    }
}
