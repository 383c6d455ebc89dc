/// A task for measurement, and the contenders that perform it.
struct Workload: Sendable {
    let name: String
    let title: String
    /// An explanation of the numbers.
    let note: String
    let contenders: [Contender]

    /// The contenders of a round. Each round begins with another contender.
    func contenders(inRound round: Int) -> [Contender] {
        let taking = contenders.filter { round < $0.rounds }
        guard !taking.isEmpty else { return [] }
        let start = round % taking.count
        return Array(taking[start...] + taking[..<start])
    }
}
