import Foundation

/// Measures on a throwaway server, with real processes, how long recipes take to recover, and how well they use what there is. Nothing of it is a
/// test: the figures depend on the machine.
///
/// - `RecipeTimes shares`: 64 shares over 1, 5, 3 and 2 members: how many move, and how long they are without an owner.
/// - `RecipeTimes semaphore [SECONDS]`: 5 permits for 3 processes of 20 tasks: how much of them is in use, and in which order tasks get them.
/// - `RecipeTimes failover [ROUNDS]`: how soon the next one leads after the leader was killed, has stepped down, or stands still.
@main
struct RecipeTimes {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let number = arguments.count < 2 ? 0 : arguments.last.flatMap { Int($0) }
        switch (arguments.first, number) {
        case ("shares", .some) where arguments.count == 1: try await ShareTimes.measure()
        case ("semaphore", .some(0)) where arguments.count == 1: try await SemaphoreUse.measure(seconds: 30)
        case ("semaphore", .some(let seconds)) where seconds > 0: try await SemaphoreUse.measure(seconds: seconds)
        case ("failover", .some(0)) where arguments.count == 1: try await FailoverTimes.measure(rounds: 15)
        case ("failover", .some(let rounds)) where rounds > 0: try await FailoverTimes.measure(rounds: rounds)
        default:
            print("usage: RecipeTimes shares | semaphore [SECONDS] | failover [ROUNDS]")
            exit(2)
        }
    }
}
