import LockCore

/// The advisory locks of work that is divided into shares. They are documented in <doc:SharingWork>, so that other languages can take part.
struct ShareKeys: Sendable {
    /// Each look decides on each share, and each share that a process has is a lock and a task.
    static let mostShares = 10_000

    let name: String
    /// How many shares there are.
    let count: Int
    private let memberClass: Int32
    private let shareClass: Int32
    private let countClass: Int32

    /// - Throws: ``LockError`` with the code ``LockError/Code/invalidArgument`` if the name is empty, or there are too few or too many shares.
    init(_ name: String, count: Int) throws {
        guard !name.isEmpty else {
            throw LockError(.invalidArgument, "The name of the shared work is empty. Give it a name that says what is divided.")
        }
        guard (1...Self.mostShares).contains(count) else {
            throw LockError(.invalidArgument, "\"\(name)\" can't have \(count) shares. Use 1 to \(Self.mostShares) shares.")
        }
        self.name = name
        self.count = count
        memberClass = LockKey.pairClass("pglock:members:\(name)")
        shareClass = LockKey.pairClass("pglock:share:\(name)")
        countClass = LockKey.pairClass("pglock:count:\(name)")
    }

    /// Held exclusively by a member, so that the others see it, and no other one has the same number.
    func member(_ id: UInt32) -> LockKey { LockKey(name: "\(name), member \(id)", AdvisoryKey(memberClass, Int32(bitPattern: id))) }

    /// Held exclusively by the member that works on the share.
    func share(_ number: Int) -> LockKey { LockKey(name: "\(name), share \(number)", AdvisoryKey(shareClass, Int32(number))) }

    /// Held shared by all members, so that one with another number of shares is noticed.
    var agreement: LockKey { LockKey(name: "\(name), \(count) shares", AdvisoryKey(countClass, Int32(count))) }

    /// The classes of members, of shares and of the number of shares.
    var classes: [Int32] { [memberClass, shareClass, countClass] }
}
