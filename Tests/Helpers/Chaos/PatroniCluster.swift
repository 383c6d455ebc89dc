package import Foundation

/// What Patroni says of its cluster (`GET /cluster`).
package struct PatroniCluster: Decodable, Equatable, Sendable {
    package struct Member: Decodable, Equatable, Sendable {
        package let name: String
        /// `leader`, `replica`, `sync_standby` and others.
        package let role: String
        /// `running`, `streaming`, `stopped`, `creating replica` and others.
        package let state: String
        package let timeline: UInt32?
    }

    package let members: [Member]

    package init(_ data: Data) throws {
        self = try JSONDecoder().decode(Self.self, from: data)
    }

    package var leader: Member? { members.first { $0.role == "leader" && $0.state == "running" } }

    /// Whether each of so many members plays its part, and all are on one timeline.
    package func isHealthy(members count: Int, isSynchronous: Bool) -> Bool {
        guard let leader, let timeline = leader.timeline, members.count == count else { return false }
        let standbys = members.filter { $0.name != leader.name }
        return standbys.allSatisfy { $0.state == "streaming" && $0.timeline == timeline }
            && (!isSynchronous || standbys.contains { $0.role == "sync_standby" })
    }
}

/// What one member's Patroni says of its server (`GET /patroni`).
package struct PatroniMemberStatus: Decodable, Equatable, Sendable {
    /// `primary` or `replica`; `master` before Patroni 4.
    package let role: String
    package let state: String
    package let timeline: UInt32?

    package init(_ data: Data) throws {
        self = try JSONDecoder().decode(Self.self, from: data)
    }

    package var isPrimary: Bool { (role == "primary" || role == "master") && state == "running" }
}
