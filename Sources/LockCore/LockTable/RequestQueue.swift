/// Requests in order of arrival, linked through the requests themselves: to join and to leave cost the same everywhere, and neither
/// allocates memory.
struct RequestQueue: Sendable {
    typealias Requests = RequestMap<LockTable.QueuedRequest>

    private(set) var first = RequestID.none
    private var last = RequestID.none

    mutating func append(_ id: RequestID, in requests: inout Requests) {
        let previous = last
        requests.update(id) { $0.previous = previous }
        requests.update(previous) { $0.next = id }
        if first == .none { first = id }
        last = id
    }

    mutating func remove(_ id: RequestID, in requests: inout Requests) {
        guard let request = requests[id] else { return }
        requests.update(request.previous) { $0.next = request.next }
        requests.update(request.next) { $0.previous = request.previous }
        if first == id { first = request.next }
        if last == id { last = request.previous }
    }

    /// From the first to the last, as they are now.
    func ids(in requests: Requests) -> [RequestID] {
        var ids: [RequestID] = []
        var id = first
        while let request = requests[id] {
            ids.append(id)
            id = request.next
        }
        return ids
    }
}

extension LockTable {
    /// A request, its links in its key's queue while it waits, and its key's entry.
    struct QueuedRequest: Sendable {
        var request: Request
        let entry: Int
        var previous = RequestID.none
        var next = RequestID.none
    }
}
