import CLibPQ
import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the addresses of names. The system's own function blocks and can't be given up, so it runs on threads of its own.
final class HostLookup: Sendable {
    /// - Returns: Addresses as text.
    typealias Function = @Sendable (_ name: String) throws(ConnectionFailure) -> [String]

    private final class Pending: Sendable {
        let since = ContinuousClock.now
        let outcome = Locked<Result<[String], ConnectionFailure>?>(nil)
        let isOver = DispatchSemaphore(value: 0)
    }

    private let function: Function
    private let pending = Locked<[String: Pending]>([:])

    init(_ function: @escaping Function = HostLookup.ask) {
        self.function = function
    }

    /// - Throws: `.unreachable` if there are none, or none in time.
    func addresses(of name: String, patience: Patience, until limit: ContinuousClock.Instant) throws(ConnectionFailure) -> [String] {
        if let address = try? Self.ask(name, isNumeric: true) { return address }
        let lookup = try begin(name, within: patience.limit)
        while true {
            if let outcome = lookup.outcome.withLock({ $0 }) { return try outcome.get() }
            guard !patience.attempt.isAbandoned else { throw .abandoned }
            guard ContinuousClock.now < min(limit, patience.deadline) else {
                throw ConnectionFailure(.unreachable, "the name \"\(name)\" was not resolved in time")
            }
            // Whoever is woken wakes the next.
            if lookup.isOver.wait(timeout: .now() + .milliseconds(50)) == .success { lookup.isOver.signal() }
        }
    }

    /// Joins a lookup of the same name that has begun not long ago; so those that are stuck don't grow in number with each attempt.
    private func begin(_ name: String, within limit: Duration) throws(ConnectionFailure) -> Pending {
        let (lookup, isNew) = pending.withLock { pending in
            if let known = pending[name], known.since.duration(to: .now) < limit { return (known, false) }
            let new = Pending()
            pending[name] = new
            return (new, true)
        }
        guard isNew else { return lookup }
        let isRunning = OwnThread.run { [function, pending] in
            let outcome = Result { () throws(ConnectionFailure) in try function(name) }
            pending.withLock { if $0[name] === lookup { $0[name] = nil } }
            lookup.outcome.withLock { $0 = outcome }
            lookup.isOver.signal()
        }
        guard isRunning else { throw ConnectionFailure(.unreachable, "the system has no thread left to look up \"\(name)\" on") }
        return lookup
    }

    private static func ask(_ name: String) throws(ConnectionFailure) -> [String] {
        try ask(name, isNumeric: false)
    }

    private static func ask(_ name: String, isNumeric: Bool) throws(ConnectionFailure) -> [String] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Darwin)
            hints.ai_socktype = SOCK_STREAM
        #else
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #endif
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
