// Connections that hold something and are silent are asked for a sign of life, so that one that nobody answers any more is
// noticed. The question is a protocol message that runs no statement: it costs the same whatever the session holds.
extension Engine {
    mutating func sendHeartbeats(now: Instant) {
        for id in connectionIDs {
            guard let due = connections[id].flatMap({ heartbeatDue($0, id) }), due <= now else { continue }
            submit(.heartbeat, on: id, now: now)
        }
    }

    var nextHeartbeat: Instant? {
        connections.compactMap { heartbeatDue($0.value, $0.key) }.min()
    }

    private func heartbeatDue(_ connection: Connection, _ id: ConnectionID) -> Instant? {
        guard connection.inFlight.isEmpty, connection.interrupt == nil, holdsSomething(connection, id) else { return nil }
        return connection.lastSent.advanced(by: configuration.heartbeatInterval)
    }

    private func holdsSomething(_ connection: Connection, _ id: ConnectionID) -> Bool {
        switch connection.phase {
        case .holding: true
        case .carrying: carrierIndex(id).map { carriers[$0].heldCount > 0 } ?? false
        case .connecting, .idle, .waiting, .unlocking, .proving, .lent: false
        }
    }
}
