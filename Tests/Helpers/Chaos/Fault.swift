/// Something bad that is done to the workers or their server.
package struct Fault: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// A worker is killed, and another one takes its place.
        case kill
        /// A worker stands still.
        case freeze
        /// Some sessions are ended by the server.
        case terminate
        /// The server ends without tidying up, and is started again.
        case crash
        /// A worker's connections break.
        case cut
        /// A worker's network becomes slow.
        case delay
        /// A worker's network swallows everything.
        case blackHole
        /// Somebody else fills the server's lock table.
        case exhaustion
    }

    package let kind: Kind
    /// Whose turn it is, where it is somebody's.
    package let worker: Int
    package let duration: Duration
    /// In each direction, where it is about the network.
    package let delay: Duration
    /// How many sessions.
    package let count: Int
    /// Before the next one.
    package let pause: Duration
}
