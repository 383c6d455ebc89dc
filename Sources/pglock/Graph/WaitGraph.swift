import Foundation
import LockCore
import PostgresLock

/// Who waits for whom: managers, their sessions, and the locks between them.
struct WaitGraph {
    /// The sessions that belong together: those of one lock manager, or one session.
    struct Party {
        let name: String
        var processIDs: Set<Int32>
        var isInRing = false
    }

    /// A lock that is waited for.
    struct Lock {
        let key: AdvisoryKey
        let name: String
        var isInRing = false
    }

    /// A session that waits for a lock, or holds one that is waited for.
    struct Link {
        let party: Int
        let lock: Int
        let isHold: Bool
        let mode: Mode
        let processID: Int32?
        /// As text; `nil` if it is not known since when.
        let age: String?
        var isInRing = false
    }

    private(set) var parties: [Party] = []
    private(set) var locks: [Lock] = []
    private(set) var links: [Link] = []
    /// The parties of each ring.
    private(set) var rings: [[Int]] = []
    /// Which sessions are hidden from the role.
    let isAnyHidden: Bool
    let time: Date?

    /// - Parameter found: Locks; those that are not waited for are left out.
    init(_ found: LockLook.Found, _ names: KeyNames) {
        time = found.time
        let contended = found.locks.filter(\.isContended)
        isAnyHidden = contended.contains { !$0.session.isVisible }
        var parties: [String: Int] = [:]
        var keys: [AdvisoryKey: Int] = [:]
        for lock in contended {
            let id = lock.session.processID == nil ? "prepared \(lock.key)" : lock.session.manager
            if parties[id] == nil {
                parties[id] = self.parties.count
                self.parties.append(Party(name: lock.session.name.isEmpty ? "(no name)" : Clean.text(lock.session.name), processIDs: []))
            }
            if keys[lock.key] == nil {
                keys[lock.key] = locks.count
                locks.append(Lock(key: lock.key, name: names.text(lock.key)))
            }
            guard let party = parties[id], let key = keys[lock.key] else { continue }
            if let pid = lock.session.processID { self.parties[party].processIDs.insert(pid) }
            links.append(
                Link(
                    party: party,
                    lock: key,
                    isHold: lock.isHeld,
                    mode: lock.mode,
                    processID: lock.session.processID,
                    age: Age.text(from: lock.since, to: found.time)
                )
            )
        }
        markRings()
    }

    /// The holders that a wait has to wait for.
    func blockers(of wait: Link) -> [Link] {
        links.filter {
            $0.isHold && $0.lock == wait.lock && $0.processID != wait.processID && ($0.mode == .exclusive || wait.mode == .exclusive)
        }
    }

    /// Finds parties that wait for each other, by Tarjan's algorithm: a ring is a strongly connected component of several.
    private mutating func markRings() {
        var holdersOf: [Int: [Link]] = [:]
        for link in links where link.isHold { holdersOf[link.lock, default: []].append(link) }
        var next: [Set<Int>] = Array(repeating: [], count: parties.count)
        for wait in links where !wait.isHold {
            for hold in holdersOf[wait.lock] ?? []
            where hold.processID != wait.processID && (hold.mode == .exclusive || wait.mode == .exclusive) {
                next[wait.party].insert(hold.party)
            }
        }
        rings = StrongComponents(next.map { $0.sorted() }).components.filter { $0.count > 1 }.map { $0.sorted() }
        for ring in rings {
            let members = Set(ring)
            for party in ring { parties[party].isInRing = true }
            for lock in locks.indices {
                let ours = links.indices.filter { links[$0].lock == lock && members.contains(links[$0].party) }
                guard ours.contains(where: { links[$0].isHold }), ours.contains(where: { !links[$0].isHold }) else { continue }
                locks[lock].isInRing = true
                for link in ours { links[link].isInRing = true }
            }
        }
    }

    var isEmpty: Bool { links.isEmpty }

    /// For instance "3 sessions wait for 1 lock; 1 ring".
    var summary: String {
        let waits = links.count { !$0.isHold }
        let sessions = waits == 1 ? "1 session waits" : "\(waits) sessions wait"
        let ring =
            switch rings.count {
            case 0: "no ring"
            case 1: "1 ring"
            default: "\(rings.count) rings"
            }
        return "\(sessions) for \(locks.count == 1 ? "1 lock" : "\(locks.count) locks"); \(ring)"
    }

    /// What a ring means.
    static let ringNote = """
        The parties of a ring wait for each other. PostgreSQL ends a ring of sessions by itself, after deadlock_timeout. One that goes through \
        several sessions of a process it does not see: it stays if the tasks of that process wait for each other, until a timeout ends it.
        """
}

/// The strongly connected components of a graph, in Tarjan's way, without recursion: a chain of waits may be long.
struct StrongComponents {
    private(set) var components: [[Int]] = []

    /// - Parameter next: The neighbours of each node.
    init(_ next: [[Int]]) {
        var index = Array(repeating: -1, count: next.count)
        var low = index
        var isOpen = Array(repeating: false, count: next.count)
        var open: [Int] = []
        var count = 0
        for root in next.indices where index[root] < 0 {
            var path: [(node: Int, edge: Int)] = [(root, 0)]
            while let (node, edge) = path.last {
                if edge == 0 {
                    (index[node], low[node]) = (count, count)
                    count += 1
                    open.append(node)
                    isOpen[node] = true
                }
                if edge < next[node].count {
                    path[path.count - 1].edge += 1
                    let neighbour = next[node][edge]
                    if index[neighbour] < 0 {
                        path.append((neighbour, 0))
                    } else if isOpen[neighbour] {
                        low[node] = min(low[node], index[neighbour])
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.node { low[parent] = min(low[parent], low[node]) }
                guard low[node] == index[node] else { continue }
                var component: [Int] = []
                while let last = open.popLast() {
                    isOpen[last] = false
                    component.append(last)
                    if last == node { break }
                }
                components.append(component)
            }
        }
    }
}
