// One order for all processes, in which sets wait for locks, so that no two of them can wait for each other.
extension [LockRequest] {
    /// Each key once, in the stronger of the modes in which it is wanted, in the order that is the same in all processes.
    var inOrder: [LockRequest] {
        var merged: [LockRequest] = []
        for request in sorted(by: { $0.key.advisory < $1.key.advisory }) {
            guard let last = merged.last, last.key == request.key else {
                merged.append(request)
                continue
            }
            if request.mode == .exclusive { merged[merged.count - 1] = .exclusive(last.key) }
        }
        return merged
    }
}
