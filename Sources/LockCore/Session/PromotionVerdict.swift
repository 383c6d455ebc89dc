/// What the timeline of a primary means for the sessions of a manager.
///
/// Each promotion begins a higher timeline. The promoted server has replaced the one before, which may go on without knowing it: the locks
/// of its sessions exclude no session of the promoted server.
package enum PromotionVerdict: Hashable, Sendable {
    /// No session is on a higher timeline. Those on lower ones are lost.
    case latest(replaced: [ConnectionID])
    /// A session is on this higher timeline: a new session on the lower one can't be used.
    case replaced(by: UInt32)

    /// - Parameters:
    ///   - timeline: That of a new session, or of a server that was asked.
    ///   - sessions: Those of the open sessions, as far as they are known.
    package init(of timeline: UInt32, among sessions: [ConnectionID: UInt32]) {
        if let highest = sessions.values.max(), highest > timeline {
            self = .replaced(by: highest)
        } else {
            self = .latest(replaced: sessions.filter { $0.value < timeline }.keys.sorted())
        }
    }
}
