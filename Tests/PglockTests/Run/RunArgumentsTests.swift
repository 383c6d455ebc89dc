import Testing

@testable import pglock

@Suite("The arguments of pglock run")
struct RunArgumentsTests {
    @Test(
        "arguments of pglock run are reordered to options, key and command",
        arguments: [
            ("run k ls -n", "run -- k ls -n"),
            ("run -n k ls -n", "run -n -- k ls -n"),
            ("run k -n ls -n", "run -n -- k ls -n"),
            ("run k -w 5 -- ls -n -- x", "run -w 5 -- k ls -n -- x"),
            ("run k -xw 5 ls", "run -xw 5 -- k ls"),
            ("run --wait=5 k ls", "run --wait=5 -- k ls"),
            ("run --number -5 ls -5", "run --number -- -5 ls -5"),
            ("run k --number", "run --number -- k"),
            ("run -- -k ls -n", "run -- -k ls -n"),
            ("run -n -- k -- ls", "run -n -- k ls"),
            ("run k -- -n", "run -- k -n"),
            ("run k --help", "run --help -- k"),
            ("run k ls --help", "run -- k ls --help"),
            ("run --once-per 24h k ls -n", "run --once-per 24h -- k ls -n"),
            ("elect k --kill-after 1 ls -n", "elect --kill-after 1 -- k ls -n"),
            ("run k --table t --repeat-after 1h ls", "run --table t --repeat-after 1h -- k ls"),
            ("run k --scheme sqlx --process-group ls -n", "run --scheme sqlx --process-group -- k ls -n"),
            ("run -w", "run -w"),
            ("run", "run"),
            ("key -- -n", "key -- -n"),
        ]
    )
    func normalized(_ given: String, _ expected: String) {
        #expect(RunArguments.normalize(given.split(separator: " ").map(String.init)).joined(separator: " ") == expected)
    }
}
