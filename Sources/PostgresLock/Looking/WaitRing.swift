import LockCore

/// A ring of waits, as far as the server shows it: from what a task waits for, over those that hold it and wait themselves, to what the task
/// holds.
///
/// Managers stand for their tasks, since the server does not know these. So a ring may go through two tasks of a manager that have nothing to do
/// with each other.
struct WaitRing: Hashable {
    struct Step: Hashable {
        /// Holds what the step before waits for; at first, what the task waits for.
        let holder: SeenLock
        /// What the holder's manager waits for; at last, what the task holds.
        let wanted: AdvisoryKey
    }

    let steps: [Step]

    /// Finds a shortest one.
    ///
    /// - Parameters:
    ///   - wanted: What the task waits for.
    ///   - held: What it holds.
    ///   - locks: What the server shows of these, and of all other locks that are waited for.
    init?(from wanted: [AdvisoryKey], to held: Set<AdvisoryKey>, in locks: [SeenLock]) {
        let holders = Dictionary(grouping: locks.filter(\.isHeld), by: \.key)
        let waits = Dictionary(grouping: locks.filter { !$0.isHeld }, by: \.session.manager)
        var seen: Set<String> = []
        var next = wanted.flatMap { holders[$0] ?? [] }.map { (holder: $0, before: [Step]()) }
        while !next.isEmpty {
            var further: [(holder: SeenLock, before: [Step])] = []
            for (holder, before) in next where seen.insert(holder.session.manager).inserted {
                for wait in waits[holder.session.manager] ?? [] {
                    let steps = before + [Step(holder: holder, wanted: wait.key)]
                    guard !held.contains(wait.key) else {
                        self.steps = steps
                        return
                    }
                    further += (holders[wait.key] ?? []).filter { $0.blocks(wait) }.map { ($0, steps) }
                }
            }
            next = further
        }
        return nil
    }
}

extension SeenLock {
    /// Whether a wait for the same key has to wait for this lock, which is held.
    package func blocks(_ wait: SeenLock) -> Bool {
        session.processID != wait.session.processID && (mode == .exclusive || wait.mode == .exclusive)
    }
}
