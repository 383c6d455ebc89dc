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

        /// Whether a wait has to wait for this one, which holds the lock.
        func blocks(_ wait: Link) -> Bool {
            isHold && lock == wait.lock && processID != wait.processID && (mode == .exclusive || wait.mode == .exclusive)
        }
    }

    private(set) var parties: [Party] = []
    private(set) var locks: [Lock] = []
    private(set) var links: [Link] = []
    /// The parties of each ring: each waits for the next one, and the last one for the first.
    private(set) var rings: [[Int]] = []
    /// Which sessions are hidden from the role.
    let isAnyHidden: Bool
    /// What is to be known of a standby's locks; `nil` on a primary.
    let standbyNote: String?
    let time: Date?

    /// - Parameter found: Locks; those that are not waited for are left out.
    init(_ found: LockLook.Found, _ names: KeyNames) {
        time = found.time
        standbyNote = found.standbyNote
        let contended = found.locks.filter(\.isContended)
        isAnyHidden = contended.contains { !$0.session.isVisible }
        var parties: [String: Int] = [:]
        var keys: [AdvisoryKey: Int] = [:]
        for lock in contended {
            let id = lock.session.manager
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
    func blockers(of wait: Link) -> [Link] { links.filter { $0.blocks(wait) } }

    /// Finds parties that wait for each other: a strongly connected component of several. Each wait inside one is part of a ring.
    private mutating func markRings() {
        let holdsOf = Dictionary(grouping: links.indices.filter { links[$0].isHold }, by: { links[$0].lock })
        let waits = links.indices.filter { !links[$0].isHold }.flatMap { wait in
            (holdsOf[links[wait].lock] ?? []).filter { links[$0].blocks(links[wait]) }.map { (wait: wait, hold: $0) }
        }
        var next: [Set<Int>] = Array(repeating: [], count: parties.count)
        for (wait, hold) in waits { next[links[wait].party].insert(links[hold].party) }
        let neighbours = next.map { $0.sorted() }
        let components = StrongComponents(neighbours).components.filter { $0.count > 1 }
        var componentOf: [Int: Int] = [:]
        for (number, component) in components.enumerated() { for party in component { componentOf[party] = number } }
        for (wait, hold) in waits {
            guard let component = componentOf[links[wait].party], component == componentOf[links[hold].party] else { continue }
            (links[wait].isInRing, links[hold].isInRing, locks[links[wait].lock].isInRing) = (true, true, true)
        }
        for party in componentOf.keys { parties[party].isInRing = true }
        // Rings that have all of these parties between them.
        for component in components {
            var rest = Set(component)
            while let first = rest.min() {
                let ring = Self.ring(from: first, in: Set(component), neighbours)
                rest.subtract(ring)
                rest.remove(first)
                rings.append(ring)
            }
        }
        rings.sort { $0.lexicographicallyPrecedes($1) }
    }

    /// A shortest ring through a member of a component.
    private static func ring(from first: Int, in component: Set<Int>, _ neighbours: [[Int]]) -> [Int] {
        var cameFrom: [Int: Int] = [:]
        var queue = [first]
        var index = 0
        while index < queue.count {
            let party = queue[index]
            index += 1
            for next in neighbours[party] where next != party && component.contains(next) {
                if next == first {
                    var ring = [party]
                    while let before = ring.last.flatMap({ cameFrom[$0] }) { ring.append(before) }
                    return ring.reversed()
                }
                guard cameFrom[next] == nil else { continue }
                cameFrom[next] = party
                queue.append(next)
            }
        }
        return []
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
