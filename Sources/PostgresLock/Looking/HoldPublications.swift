import LibPQ
import LockCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Publishes since when locks are held, for those who look at the server: it does not show that.
///
/// What is held for a while gets a second lock, whose number says since when: see ``ReleaseProtocol/since(_:seconds:)``. Few locks are held for so
/// long, and of many only the first ones are published, so it costs next to nothing.
final class HoldPublications: Sendable {
    /// The most at a time.
    static let most = 64
    /// Of a manager with more calls and locks than that nothing is published, because they would be gone through every second.
    static let mostCalls = 1024

    /// By the key that is held; the lock that says since when, once it is held.
    private let published = Locked<[AdvisoryKey: LockState?]>([:])

    /// A lock is held for long enough.
    ///
    /// - Parameter age: For how long.
    func publish(_ state: LockState, age: Duration, by driver: LockDriver) {
        let key = state.key.advisory
        let isNew = published.withLock { published in
            guard published.count < Self.most, published[key] == nil else { return false }
            published[key] = .some(nil)
            return true
        }
        guard isNew else { return }
        let start = Date().timeIntervalSince1970 - age / .seconds(1)
        let publication = ReleaseProtocol.since(key, seconds: UInt32(clamping: Int64(start)))
        // Detached: the thread may run a task that has scopes of locks around it.
        Task.detached { [weak self, weak driver] in
            let lock = try? await driver?.obtain(publication, .shared, timeout: nil, noWait: true, nil)
            if let lock { self?.keep(lock, for: key) }
            state.observe(.end { [weak self, weak driver] in self?.end(key, by: driver) })
        }
    }

    /// The locks that say since when others are held.
    var locks: [LockState] { published.withLock { $0.values.compactMap(\.self) } }

    private func keep(_ lock: LockState, for key: AdvisoryKey) {
        published.withLock { published in
            if published[key] != nil { published[key] = lock }
        }
    }

    private func end(_ key: AdvisoryKey, by driver: LockDriver?) {
        let lock = published.withLock { $0.removeValue(forKey: key) } ?? nil
        if let lock, lock.beginRelease() { driver?.giveBack([lock]) }
    }

    /// Whether a lock is one that is published: not one that says something itself, as those of this library that are not users' do.
    static func isPublished(_ state: LockState) -> Bool {
        !(state.mode == .shared && state.key.pair != nil && state.key.name == nil)
    }
}
