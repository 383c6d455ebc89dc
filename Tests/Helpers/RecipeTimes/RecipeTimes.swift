import Foundation

/// Measures on a throwaway server, with real processes, how long recipes take to recover. Nothing of it is a test: the times depend on the machine.
///
/// - `RecipeTimes shares`: 64 shares over 1, 5, 3 and 2 members: how many move, and how long they are without an owner.
/// - `RecipeTimes failover [ROUNDS]`: how soon the next one leads after the leader was killed, has stepped down, or stands still.
@main
struct RecipeTimes {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let rounds = arguments.count < 2 ? 15 : arguments.last.flatMap { Int($0) }
        switch (arguments.first, rounds) {
        case ("shares", .some) where arguments.count == 1: try await ShareTimes.measure()
        case ("failover", .some(let rounds)) where rounds > 0: try await FailoverTimes.measure(rounds: rounds)
        default:
            print("usage: RecipeTimes shares | failover [ROUNDS]")
            exit(2)
        }
    }
}

/// Times, in milliseconds for people.
struct Times: CustomStringConvertible {
    var seconds: [Double]

    var description: String {
        guard let last = seconds.max() else { return "none" }
        return "median \(text(seconds.sorted()[seconds.count / 2])), most \(text(last)), of \(seconds.count)"
    }

    private func text(_ seconds: Double) -> String { String(format: "%.0f ms", seconds * 1000) }
}
