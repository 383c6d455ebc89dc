import LockCore
import LockServerModel

// What the driver does with locks that were granted: `settle`, `claim`, `noteExpiry` and `release` of `LockManager`. What is
// decided there is `GrantState`'s, as in production.
extension SimulatedProcess {
    /// The task of the caller that has asked for locks runs again.
    ///
    /// - Returns: Whether the caller gets them. If not, all of them are released.
    func claim(_ ids: [RequestID]) -> Bool {
        noteExpiry(of: ids)
        guard ids.contains(where: { grants[$0] != .held }) else {
            for id in ids where !isCertain(id) { ledger.report("process \(self.id), \(id) is given out, but can't be certain of it") }
            return true
        }
        for id in ids {
            switch grants[id]?.claim() {
            case .held: release(id) { _ in }
            case .lost(isToBeReleased: true):
                ledger.claimedInDoubt += 1
                finishRelease(id) { _ in }
            case .lost, nil: break
            }
        }
        return false
    }

    /// The clock may have ended a lease before the engine has said so.
    private func noteExpiry(of ids: [RequestID]) {
        for id in ids where grants[id]?.isToBeReleased == true && !isCertain(id) { _ = grants[id]?.end(.suspected) }
    }

    private func isCertain(_ id: RequestID) -> Bool {
        held[id].flatMap { ledger.lease(process: self.id, id, $0) }.map(believes) ?? false
    }

    /// - Parameter completion: Told how the release has ended at the server; `nil` if there was nothing to release.
    func release(_ id: RequestID, completion: @escaping (Engine.Outcome?) -> Void) {
        noteExpiry(of: [id])
        guard grants[id]?.beginRelease() == true else {
            _ = letGo(of: id)
            return completion(nil)
        }
        finishRelease(id, completion: completion)
    }

    /// The engine hears of the decision later, and the lock may be lost meanwhile.
    private func finishRelease(_ id: RequestID, completion: @escaping (Engine.Outcome?) -> Void) {
        _ = letGo(of: id)
        plan(after: chance.happens(0.5) ? .zero : chance.skewedDuration(.zero ... .microseconds(50))) { [self] in
            grants[id] = nil
            guard known.remove(id) != nil else { return completion(.failed(.lost)) }
            begin(id, within: profile.releaseLimit, { $0.release(id, now: $1) }, completion: completion)
        }
    }

    /// Other sessions ask for locks. Those who are said to hold them do so, unless they are about to release them.
    func noteRequests(_ requests: [Engine.AddressedRequest]) {
        for addressed in requests {
            ledger.requests += 1
            for holder in addressed.holders {
                guard let key = held[holder], key != addressed.request.key else { continue }
                ledger.report("process \(id), \(holder) is asked for key \(addressed.request.key), and holds \(key)")
            }
        }
    }
}
