/// How an advisory lock is held: by many holders at once, or by one.
package enum Mode: UInt8, Hashable, Sendable, CaseIterable {
    case shared
    case exclusive

    var other: Mode { self == .shared ? .exclusive : .shared }
}
