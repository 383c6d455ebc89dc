import CLibPQ
import Dispatch

/// Looks up the addresses of names. The system's function blocks, and can't be interrupted, so it runs on threads of its own.
package final class HostLookup: Sendable {
    /// - Returns: Addresses as text.
    package typealias Function = @Sendable (_ name: String) throws(ConnectionFailure) -> [String]

    private final class Pending: Sendable {
        let since = ContinuousClock.now
        let outcome = Locked<Result<[String], ConnectionFailure>?>(nil)
        let isOver = DispatchSemaphore(value: 0)
    }

    /// The lookups of one name.
    private struct Name {
        var latest: Pending
        var call: OverdueCalls.ID
        var calls: OverdueCalls
    }

    private let function: Function
    /// The names with lookups that have not returned.
    private let names = Locked<[String: Name]>([:])

    package init(_ function: @escaping Function) {
        self.function = function
    }

    /// Uses the system's function.
    package convenience init() { self.init(Self.ask) }

    /// - Throws: `.unreachable` if there are none, or none in time.
    func addresses(of name: String, deadline: ConnectDeadline, until limit: ContinuousClock.Instant) throws(ConnectionFailure) -> [String] {
        if let address = try? Self.ask(name, isNumeric: true) { return address }
        let lookup = try begin(name, within: deadline.limit)
        while true {
            if let outcome = lookup.outcome.withLock({ $0 }) { return try outcome.get() }
            guard !deadline.attempt.isAbandoned else { throw .abandoned }
            guard ContinuousClock.now < min(limit, deadline.deadline) else {
                throw ConnectionFailure(.unreachable, "the name \"\(name)\" was not resolved in time")
            }
            // A thread that is woken wakes the next one.
            if lookup.isOver.wait(timeout: .now() + .milliseconds(50)) == .success { lookup.isOver.signal() }
        }
    }

    /// Begins a lookup, or joins a recent one of the same name. If earlier ones are stuck, it joins the latest, so that their number does
    /// not grow with each attempt.
    private func begin(_ name: String, within limit: Duration) throws(ConnectionFailure) -> Pending {
        let (lookup, new) = names.withLock { names -> (Pending, OverdueCalls.ID?) in
            let known = names[name]
            if let known, known.latest.since.duration(to: .now) < limit { return (known.latest, nil) }
            var calls = known?.calls ?? OverdueCalls()
            if let known { calls.giveUp(known.call) }
            guard let call = calls.begin() else {
                // There is a known one, or none could be stuck.
                names[name]?.calls = calls
                return (known?.latest ?? Pending(), nil)
            }
            let new = Pending()
            names[name] = Name(latest: new, call: call, calls: calls)
            return (new, call)
        }
        guard let new else { return lookup }
        let isRunning = OwnThread.run { [self] in
            let outcome = Result { () throws(ConnectionFailure) in try function(name) }
            noteReturned(new, of: name)
            lookup.outcome.withLock { $0 = outcome }
            lookup.isOver.signal()
        }
        guard isRunning else {
            noteReturned(new, of: name)
            throw ConnectionFailure(.unreachable, "the system has no thread left to look up \"\(name)\" on")
        }
        return lookup
    }

    private func noteReturned(_ call: OverdueCalls.ID, of name: String) {
        names.withLock { names in
            names[name]?.calls.noteReturned(call)
            if names[name]?.calls.isQuiet == true { names[name] = nil }
        }
    }

    private static func ask(_ name: String) throws(ConnectionFailure) -> [String] {
        try ask(name, isNumeric: false)
    }

    private static func ask(_ name: String, isNumeric: Bool) throws(ConnectionFailure) -> [String] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        if isNumeric { hints.ai_flags = AI_NUMERICHOST }
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, nil, &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard status == 0 else {
            let reason = gai_strerror(status).map { String(cString: $0) } ?? "error \(status)"
            throw ConnectionFailure(.unreachable, "could not translate host name \"\(name)\" to address: \(reason)")
        }
        var addresses: [String] = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: 256)
            let length = socklen_t(text.count)
            if getnameinfo(entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, length, nil, 0, NI_NUMERICHOST) == 0 {
                let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if !addresses.contains(address) { addresses.append(address) }
            }
            next = entry.pointee.ai_next
        }
        return addresses
    }
}
