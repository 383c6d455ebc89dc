/// Where the demonstration is seen.
protocol DemoDisplay: Sendable {
    /// Says something at length.
    func say(_ text: String)
    /// Says what has happened, in a line.
    func note(_ text: String)
    /// Shows how a run stands; often called.
    func update(_ board: Scoreboard, isLast: Bool)
}
