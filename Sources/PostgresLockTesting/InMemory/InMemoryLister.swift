import LockCore
import LockServerModel
import PostgresLock

/// Tells one manager which locks there are, as it could find out by SQL.
struct InMemoryLister: LockLister {
    let server: InMemoryLockServer
    let link: InMemoryLink

    func locks(inClasses classes: [Int32]) throws -> [ListedLock] {
        let locks = server.timeline.run { [server, link] () -> [ListedLock]? in
            guard !server.isDown, !link.isSilent else { return nil }
            let keys = server.model.lockedKeys.filter { $0.space == .int4Pair && classes.contains($0.pair.first) }
            return keys.flatMap { key in server.model.holders(of: key).map { ListedLock(key: key, mode: $0.mode) } }
        }
        guard let locks else { throw LockError(.noAnswer, "The server in memory does not answer.") }
        return locks
    }
}
