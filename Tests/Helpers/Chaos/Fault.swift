/// A fault that is injected into a worker, its network, or the server.
package struct Fault: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// A worker is killed by SIGKILL, and a new one is started in its place.
        case kill
        /// A worker is stopped by SIGSTOP for a time.
        case freeze
        /// Some sessions are ended by `pg_terminate_backend`.
        case terminate
        /// The server crashes and is started again.
        case crash
        /// A worker's connections break.
        case cut
        /// A worker's network becomes slow.
        case delay
        /// A worker's network drops everything without closing the connections.
        case blackHole
        /// Another session fills the server's lock table.
        case exhaustion
    }

    package let kind: Kind
    /// The index of the affected worker, for kinds that affect one worker.
    package let worker: Int
    package let duration: Duration
    /// The delay in each direction, for `.delay`.
    package let delay: Duration
    /// How many sessions are ended, for `.terminate`.
    package let count: Int
    /// The time before this fault.
    package let pause: Duration
}
