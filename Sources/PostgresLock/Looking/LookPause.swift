/// How long to pause after a look at the server's locks.
///
/// A look walks through all locks of the server, and holds others up meanwhile. So a twentieth of the time is spent on looks, at most. But a look
/// may also have taken long for another reason, such as a network without answers, so there is a longest pause.
package enum LookPause {
    /// Reached by looks of a second, which a server with some 200,000 locks takes.
    package static let longest = Duration.seconds(20)

    package static func after(_ cost: Duration) -> Duration { min(cost * 20, longest) }

    /// The pause of a call that ends at its limit, also if its last look was slow.
    ///
    /// - Parameter remaining: The time that is left to the call.
    static func after(_ cost: Duration, least: Duration, remaining: Duration) -> Duration { min(max(least, after(cost)), remaining) }
}
