import Foundation
import LockCore
import PostgresLock

/// Locks as lines, for `pglock ps`.
struct LockList {
    private let found: LockLook.Found
    private let names: KeyNames

    init(_ found: LockLook.Found, _ names: KeyNames) {
        self.found = found
        self.names = names
    }

    var text: String {
        var table = TextTable(["LOCK", "MODE", "STATE", "SINCE", "PID", "INSTANCE", "ROLE", "ADDRESS", "ACTIVITY"], numbers: [4])
        for lock in found.locks {
            let session = lock.session
            table.add([
                names.text(lock.key), "\(LockMode(core: lock.mode))", lock.isHeld ? "held" : "waits", since(lock),
                session.processID.map(String.init) ?? "prepared", session.name.isEmpty ? "-" : session.name, session.role ?? "-",
                session.shownAddress, session.state ?? "-",
            ])
        }
        return (table.lines() + ["", summary] + [found.standbyNote].compactMap(\.self)).joined(separator: "\n")
    }

    private func since(_ lock: SeenLock) -> String {
        if let known = Age.text(from: lock.since, to: found.time) { return known }
        if lock.session.processID == nil, let least = Age.text(from: lock.session.change, to: found.time) { return "> \(least)" }
        guard lock.isHeld, let most = Age.text(from: lock.session.transactionStart ?? lock.session.start, to: found.time) else {
            return "-"
        }
        return "< \(most)"
    }

    private var summary: String {
        let waits = found.locks.count { !$0.isHeld }
        let locks = found.locks.count == 1 ? "1 line" : "\(found.locks.count) lines"
        let rest = found.total > found.locks.count ? " of \(found.total) (--limit 0 shows all)" : ""
        let hidden = found.locks.contains { !$0.session.isVisible && $0.session.processID != nil }
        return "\(locks)\(rest), \(waits) waiting."
            + (hidden ? " Address, activity and age of other roles' sessions are hidden: grant pg_read_all_stats to see them." : "")
    }
}

extension SeenSession {
    /// "-" if it is hidden, or there is no client any more.
    var shownAddress: String { address ?? (isVisible && processID != nil ? "local" : "-") }
}
