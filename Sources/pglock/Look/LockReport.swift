import Foundation
import LockCore
import PostgresLock

/// One lock, its holders and its waiting sessions, for `pglock who` and `pglock kick`.
struct LockReport {
    private let key: AdvisoryKey
    private let found: LockLook.Found
    private let names: KeyNames
    private let others: OtherLocks?

    init(_ key: AdvisoryKey, _ found: LockLook.Found, _ names: KeyNames, _ others: OtherLocks?) {
        (self.key, self.found, self.names, self.others) = (key, found, names, others)
    }

    var holders: [SeenLock] { found.locks.filter { $0.key == key && $0.isHeld } }
    var waiters: [SeenLock] { found.locks.filter { $0.key == key && !$0.isHeld } }

    var isEmpty: Bool { holders.isEmpty && waiters.isEmpty }

    var text: String {
        let width = (holders + waiters).map { name($0).count }.max() ?? 0
        var lines = [names.full(key)]
        for holder in holders { lines += self.lines(holder, "held by", width, since(holder)) }
        for (index, waiter) in waiters.enumerated() {
            let time = Age.text(from: waiter.since, to: found.time).map { "for \($0)" } ?? "since an unknown time"
            lines += self.lines(waiter, "\(index + 1). waits", width, time)
        }
        if holders.isEmpty { lines.append(waiters.isEmpty ? "  no session holds it or waits for it" : "  no session holds it") }
        return lines.joined(separator: "\n")
    }

    private func name(_ lock: SeenLock) -> String { lock.session.name.isEmpty ? "(no name)" : Clean.text(lock.session.name) }

    private func lines(_ lock: SeenLock, _ verb: String, _ width: Int, _ time: String) -> [String] {
        let name = name(lock).padding(toLength: width, withPad: " ", startingAt: 0)
        let pid = lock.session.processID.map { "pid \($0)" } ?? "a prepared transaction"
        let verb = verb.padding(toLength: max(8, verb.count), withPad: " ", startingAt: 0)
        let session = lock.session
        var facts = [
            [session.role.map(Clean.text), session.shownAddress, session.state].compactMap(\.self).filter { $0 != "-" }.joined(
                separator: ", "
            )
        ]
        if !session.isVisible, session.processID != nil { facts.append("address and state are hidden from this role") }
        if lock.isHeld, let others = others?.text(session) { facts.append(others) }
        return [
            "  \(verb)  \(name)  \(pid)  \(LockMode(core: lock.mode))  \(time)",
            "            " + facts.filter { !$0.isEmpty }.joined(separator: "; "),
        ]
    }

    private func since(_ lock: SeenLock) -> String {
        if let known = Age.text(from: lock.since, to: found.time) { return "since \(known)" }
        if lock.session.processID == nil, let least = Age.text(from: lock.session.change, to: found.time) {
            return "for more than \(least) (since it was prepared)"
        }
        if let most = Age.text(from: lock.session.transactionStart, to: found.time) {
            return "for less than \(most) (its transaction's age)"
        }
        if let most = Age.text(from: lock.session.start, to: found.time) { return "for less than \(most) (its session's age)" }
        return "since an unknown time"
    }
}
