// Connections that hold something and are silent are asked for a heartbeat, so that one that nobody answers any more is
// noticed. The question is a protocol message that runs no statement: it costs the same whatever the session holds.
extension Engine {
    mutating func sendHeartbeats(now: Instant) {
        for session in sessions.all {
            guard let due = session.heartbeat(configuration), due <= now else { continue }
            if session.statement != nil || session.isWaiting {
                askActivity(session.id, now: now)
            } else {
                submit(.heartbeat, on: session.id, now: now)
            }
        }
    }
}
