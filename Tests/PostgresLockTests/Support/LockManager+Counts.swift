import LockCore

@testable import PostgresLock

/// Counts of the manager's driver and of its transport.
extension LockManager {
    /// The highest number of connections at a time, including attempts to connect.
    var connectionPeak: Int { get async { await driver.counts.connectionPeak } }
    /// How often work or statements were submitted.
    var statementCount: Int { get async { await driver.counts.statements } }
    /// How often the server was asked whether waits hold up other sessions.
    var lookCount: Int { get async { await driver.counts.looks } }
    /// How many surveys of the hosts were begun.
    var surveyCount: Int { get async { await driver.counts.surveys } }

    /// How many waits were cancelled and begun anew, because they held up other sessions.
    var renewedWaits: Int { get async { await driver.renewedWaits } }
    /// How often a lock statement returned an error although it had taken the lock, and how often it had not.
    var verifiedAfterError: (held: Int, notHeld: Int) { get async { await driver.verifiedAfterError } }
    /// How many releases have failed whose callers did not wait for them.
    var unawaitedReleaseFailures: Int { get async { await driver.unawaitedReleaseFailures } }
    /// How many calls have not ended.
    var waitingCount: Int { get async { await driver.engine.waitingCount } }
    var connectionCount: Int { get async { await driver.engine.connectionCount } }
}

extension TransactionLockManager {
    var connectionCount: Int { get async { await driver.engine.connectionCount } }
}

extension LockDriver {
    fileprivate var counts: LibPQTransport.Counts { (transport as? LibPQTransport)?.counts ?? .init() }
}
