// Connections that hold something and are silent are asked for a sign of life, so that one that nobody answers any more is
// noticed. The question is a protocol message that runs no statement: it costs the same whatever the session holds.
extension Engine {
    mutating func sendHeartbeats(now: Instant) {
        for id in connectionIDs {
            guard let connection = connections[id], let due = heartbeatDue(connection, id), due <= now else { continue }
            if connection.statement != nil || isWaiting(connection) {
                probe(id, now: now)
            } else {
                submit(.heartbeat, on: id, now: now)
            }
        }
    }

    var nextHeartbeat: Instant? {
        connections.compactMap { heartbeatDue($0.value, $0.key) }.min()
    }

    private func heartbeatDue(_ connection: Connection, _ id: ConnectionID) -> Instant? {
        if isWaiting(connection) {
            // One that is being interrupted is given up if it does not answer.
            return connection.interrupt == nil ? connection.lastSent.advanced(by: configuration.heartbeatInterval) : nil
        }
        // What runs on a lent connection may have been sent behind a sign of life that nobody answers.
        guard connection.inFlight.isEmpty || connection.statement != nil,
            connection.interrupt == nil || connection.statement != nil,
            isEnded(connection) || holdsSomething(connection, id)
        else { return nil }
        return connection.lastSent.advanced(by: configuration.heartbeatInterval)
    }

    private func isWaiting(_ connection: Connection) -> Bool {
        if case .waiting = connection.phase { true } else { false }
    }

    /// Whether the server would end the session if it heard nothing.
    private func isEnded(_ connection: Connection) -> Bool {
        guard configuration.lease != nil else { return false }
        switch connection.phase {
        case .carrying, .idle, .holding, .lent: return true
        case .connecting, .waiting, .unlocking, .proving: return false
        }
    }

    func holdsSomething(_ connection: Connection, _ id: ConnectionID) -> Bool {
        switch connection.phase {
        case .holding, .unlocking: true
        case .carrying: carrierIndex(id).map { carriers[$0].heldCount > 0 } ?? false
        case .lent: configuration.lease != nil && connection.isGuarding
        case .connecting, .idle, .waiting, .proving: false
        }
    }
}
