import PostgresLock

@testable import pglock

// For tests that call the function `pglock(…)`, which has the module's name.

enum CleanForTests {
    static func text(_ text: String) -> String { Clean.text(text) }
}

enum KeyTextForTests {
    static func numbers(_ key: LockKey) -> String { KeyText.numbers(of: key) }
}
