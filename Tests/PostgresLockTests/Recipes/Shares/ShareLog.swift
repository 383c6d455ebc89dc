import LibPQ
import Testing

@testable import PostgresLock

/// What members of shared work have done.
final class ShareLog: Sendable {
    private struct State {
        var owners: [Int: String] = [:]
        var beginnings: [(share: Int, member: String)] = []
        var endings = 0
        var hadTwo = false
    }

    private let state = Locked(State())

    /// A body that runs until it is cancelled.
    ///
    /// - Parameter returning: What is done before it returns.
    func body(_ member: String, returning: @escaping @Sendable (Int) async -> Void = { _ in }) -> ShareMember.Body {
        { [self] share, lock in
            #expect(lock.isHeld || lock.loss != nil)
            begin(share, member)
            _ = await lock.waitForEnd()
            await returning(share)
            end(share, member, isHeld: lock.loss == nil)
        }
    }

    private func begin(_ share: Int, _ member: String) {
        state.withLock { state in
            if state.owners[share] != nil { state.hadTwo = true }
            state.owners[share] = member
            state.beginnings.append((share, member))
        }
    }

    private func end(_ share: Int, _ member: String, isHeld: Bool) {
        state.withLock { state in
            state.endings += 1
            // After a loss another one may have begun.
            if isHeld, state.owners[share] != member { state.hadTwo = true }
            if state.owners[share] == member { state.owners[share] = nil }
        }
    }

    /// The members whose bodies run, by shares.
    var owners: [Int: String] { state.withLock(\.owners) }
    var members: Set<String> { Set(owners.values) }
    var beginnings: [(share: Int, member: String)] { state.withLock(\.beginnings) }
    var endings: Int { state.withLock(\.endings) }
    /// Whether two bodies of a share ran at the same time, though no lock was lost.
    var hadTwo: Bool { state.withLock(\.hadTwo) }

    func count(of member: String) -> Int { owners.values.count { $0 == member } }
}
