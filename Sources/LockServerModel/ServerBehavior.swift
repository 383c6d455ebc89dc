/// How a server of the model behaves, where servers differ. By default nothing takes time, and nothing fails.
package struct ServerBehavior: Sendable {
    package static let atOnce: ClosedRange<Duration> = .zero ... .zero

    /// How many keys the lock table has room for; `nil` for any number.
    package var lockTableSize: Int?
    /// Whether a try passes waiting sessions: PostgreSQL 16 and 18 differ in that.
    package var triesPassTheQueue = false
    /// PL/pgSQL is missing.
    package var waitsPlainly = false
    /// Whether the role's transactions are deferrable.
    package var roleDefers = false
    /// Whether it hides what sessions do.
    package var hidesActivity = false
    package var cancelsForbidden = false

    /// After how long a wait looks for a deadlock; `nil` for never.
    package var deadlockTimeout: Duration?

    // MARK: Time

    /// How long a statement takes that waits for nothing.
    package var statementTime = atOnce
    /// How long a backend takes to notice that it was granted a lock: the time in which a cancel wins all the same.
    package var waking = atOnce
    /// How long a wait goes on whose client is gone.
    package var closingTime = atOnce
    /// How long a cancel request takes, and how often it takes up to 200 ms.
    package var cancelTime = atOnce
    package var lateCancels = 0.0
    /// How long a record takes to reach the disk, and how often it does not at once.
    package var diskTime = atOnce
    package var diskWaits = 0.0

    // MARK: The probability of each fault, per occasion

    package var statementErrors = 0.0
    package var connectFailures = 0.0
    package var fatalConnectFailures = 0.0
    /// A wait harms other sessions, when the server is asked.
    package var harms = 0.0
    /// A session builds an index, when the server is asked.
    package var builds = 0.0
    /// The body has set a limit of its own for waits.
    package var bodyLimits = 0.0
    package var bodyLimit = atOnce

    package init() {}
}
