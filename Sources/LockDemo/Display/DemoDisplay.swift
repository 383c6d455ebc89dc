/// The output of the demonstration.
protocol DemoDisplay: Sendable {
    /// Prints a paragraph.
    func say(_ text: String)
    /// Prints one line about an event.
    func note(_ text: String)
    /// Shows the state of a run; called ten times a second.
    func update(_ board: Scoreboard, isLast: Bool)
}
