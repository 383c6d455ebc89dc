// A session that was closed counts at the server until its process has come to its end, and roles, databases and the server have limits
// of connections. So it keeps its place in the pool until then.
extension Engine {
    /// The session of a connection that was closed has come to its end at the server, or is not waited for any longer.
    ///
    /// The driver reports it within a second, or within five if the server was answering.
    package mutating func ended(_ id: ConnectionID) {
        closing.remove(id)
        openHeldBack()
    }

    mutating func noteClosing(_ id: ConnectionID) {
        if let index = heldBack.firstIndex(where: { $0.id == id }) {
            heldBack.remove(at: index)
        } else {
            closing.insert(id)
        }
        actions.append(.close(id))
    }

    /// Opens it now, or as soon as one that was closed has made room.
    mutating func openInTurn(_ id: ConnectionID, _ role: Role) {
        heldBack.append((id, role))
        openHeldBack()
    }

    /// An attempt that has failed leaves nothing behind.
    mutating func openHeldBack() {
        while let next = heldBack.first, sessionCount < configuration.maximumConnections {
            heldBack.removeFirst()
            actions.append(.connect(next.id, next.role))
        }
    }

    /// How many sessions the server may count at present.
    package var sessionCount: Int { sessions.count - heldBack.count + closing.count }
}
