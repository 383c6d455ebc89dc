/// Requests in order of arrival, or of their places, linked through the requests themselves: to join at the end and to leave cost the same
/// everywhere, and neither allocates memory.
struct RequestQueue: Sendable {
    typealias Requests = RequestMap<LockTable.QueuedRequest>

    private(set) var first = RequestID.none
    private var last = RequestID.none

    mutating func insert(_ id: RequestID, at place: QueuePlace, in requests: inout Requests) {
        var (previous, next) = (last, RequestID.none)
        // Few requests have places; the others look at no request.
        while place != .last, let other = requests[previous], place.precedes(other.request.place) {
            (previous, next) = (other.previous, previous)
        }
        requests.update(id) { ($0.previous, $0.next) = (previous, next) }
        if previous == .none { first = id } else { requests.update(previous) { $0.next = id } }
        if next == .none { last = id } else { requests.update(next) { $0.previous = id } }
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
        private let number: Int32
        var previous = RequestID.none
        var next = RequestID.none

        init(request: Request, entry: Int) {
            self.request = request
            number = Int32(entry)
        }

        var entry: Int { Int(number) }
    }
}
