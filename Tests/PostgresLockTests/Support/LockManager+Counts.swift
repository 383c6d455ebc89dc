import LockCore

@testable import PostgresLock

/// Counts of the manager's driver and of its transport.
extension LockManager {
    /// The highest number of connections at a time, including attempts to connect.
    var connectionPeak: Int { get async { await driver.transportCounts.connectionPeak } }
    /// How often work or statements were submitted.
    var statementCount: Int { get async { await driver.transportCounts.statements } }
    /// How often the server was asked whether waits hold up other sessions.
    var lookCount: Int { get async { await driver.transportCounts.looks } }
    /// How often the server was asked which sessions hold what was waited for in vain.
    var explanationCount: Int { driver.explanations.lookCount }
    /// How many surveys of the hosts were begun.
    var surveyCount: Int { get async { await driver.transportCounts.surveys } }
    /// How many ends of sessions were not waited for any longer.
    var abandonedEnds: Int { get async { await driver.transportCounts.abandonedEnds } }

    /// How many waits were cancelled and begun anew, because they held up other sessions.
    var renewedWaits: Int { get async { await driver.counts.renewedWaits } }
    /// How often a lock statement returned an error although it had taken the lock, and how often it had not.
    var verifiedAfterError: (held: Int, notHeld: Int) {
        get async {
            let verified = await driver.counts.verified
            return (verified.held, verified.notHeld)
        }
    }
    /// How many releases have failed whose callers did not wait for them.
    var unawaitedReleaseFailures: Int { get async { await driver.counts.unawaitedReleaseFailures } }
    /// How many calls have not ended.
    var waitingCount: Int { get async { await driver.engine.waitingCount } }
    var connectionCount: Int { get async { await driver.engine.connectionCount } }
}

extension TransactionLockManager {
    var connectionCount: Int { get async { await driver.engine.connectionCount } }
}

extension LockDriver {
    fileprivate var transportCounts: LibPQTransport.Counts { (transport as? LibPQTransport)?.counts ?? .init() }
}
