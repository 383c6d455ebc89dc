import Testing

@testable import LockCore

@Suite("Slots for sessions")
struct SessionPoolTests {
    private static func pool(_ most: Int, isFencing: Bool = false) -> SessionPool {
        var configuration = Engine.Configuration()
        configuration.maximumConnections = most
        configuration.isFencing = isFencing
        return SessionPool(configuration)
    }

    /// Sessions of these roles, numbered from 1, of which these are idle; the others are still connecting.
    private static func sessions(_ roles: Engine.Role..., idle: [ConnectionID] = [], struck: [ConnectionID] = []) -> SessionTable {
        var sessions = SessionTable()
        for role in roles { _ = sessions.open(role) }
        for id in idle + struck { sessions.update(id) { _ = $0.connected(now: ServerSession.start) } }
        for id in struck { sessions.update(id) { $0.noteMayBeStruck() } }
        return sessions
    }

    @Test("neither waiting nor checked-out sessions can take all the slots that they have together")
    func oneRole() {
        let pool = Self.pool(5)
        let waiting = Self.sessions(.shared, .waiting, .waiting, .waiting, idle: [2])
        #expect(pool.slot(for: .waiting, among: waiting) == .taken)
        #expect(pool.slot(for: .checkedOut, among: waiting) == .free)
        let checkedOut = Self.sessions(.shared, .checkedOut, .checkedOut, .checkedOut, idle: [2])
        #expect(pool.slot(for: .checkedOut, among: checkedOut) == .taken)
        #expect(pool.slot(for: .waiting, among: checkedOut) == .free)
        let fencing = Self.pool(5, isFencing: true)
        #expect(fencing.slot(for: .waiting, among: Self.sessions(.waiting, .waiting)) == .taken)
        #expect(fencing.slot(for: .checkedOut, among: Self.sessions(.waiting, .waiting)) == .free)
    }

    @Test("a waiting or a checked-out session can have the slot if there is only one")
    func oneSlot() {
        for role in [Engine.Role.waiting, .checkedOut] {
            #expect(Self.pool(2).slot(for: role, among: Self.sessions(.shared)) == .free)
            #expect(Self.pool(2).slot(for: role, among: Self.sessions(.shared, .waiting)) == .taken)
            #expect(Self.pool(2).slot(for: role, among: Self.sessions(.shared, .checkedOut)) == .taken)
        }
    }

    @Test("where all slots are taken, the oldest idle session changes its role, if no cancel request can strike it any more")
    func converting() {
        let pool = Self.pool(4)
        #expect(
            pool.slot(for: .checkedOut, among: Self.sessions(.shared, .waiting, .waiting, .checkedOut, idle: [2, 3])) == .converting(2)
        )
        #expect(
            pool.slot(for: .checkedOut, among: Self.sessions(.shared, .waiting, .waiting, .checkedOut, idle: [3, 4])) == .converting(3)
        )
        #expect(pool.slot(for: .waiting, among: Self.sessions(.shared, .waiting, .checkedOut, .checkedOut, idle: [4])) == .converting(4))
        #expect(pool.slot(for: .waiting, among: Self.sessions(.shared, .waiting, .checkedOut, .checkedOut, struck: [4])) == .replacing(4))
        #expect(pool.slot(for: .waiting, among: Self.sessions(.shared, .waiting, .checkedOut, .checkedOut, idle: [2])) == .taken)
    }

    @Test(
        "slots are kept for the shared and the fencing session, whether they are there or not, and a second shared session takes another one"
    )
    func ownSlots() {
        #expect(Self.pool(3).slot(for: .waiting, among: Self.sessions(.checkedOut)) == .free)
        #expect(Self.pool(3, isFencing: true).slot(for: .waiting, among: Self.sessions(.checkedOut)) == .taken)
        #expect(Self.pool(3).slot(for: .waiting, among: Self.sessions(.shared, .shared, .checkedOut)) == .taken)
        let full = Self.sessions(.waiting, .checkedOut, .checkedOut)
        #expect(Self.pool(3, isFencing: true).slot(for: .fencing, among: full) == .free)
        #expect(Self.pool(3).slot(for: .shared, among: full) == .free)
        #expect(Self.pool(3, isFencing: true).slot(for: .waiting, among: Self.sessions()) == .free)
    }

    @Test("a second shared session takes a free slot, or that of an idle session")
    func beyond() {
        let pool = Self.pool(4)
        #expect(pool.slot(for: .shared, among: Self.sessions(.shared, .waiting, .checkedOut, idle: [2])) == .free)
        #expect(pool.slot(for: .shared, among: Self.sessions(.shared, .checkedOut, .checkedOut, .waiting, idle: [3, 4])) == .replacing(4))
        #expect(pool.slot(for: .shared, among: Self.sessions(.shared, .checkedOut, .checkedOut, .waiting, idle: [3])) == .replacing(3))
        #expect(pool.slot(for: .shared, among: Self.sessions(.shared, .checkedOut, .checkedOut, .waiting)) == .taken)
        let fencing = Self.pool(4, isFencing: true)
        #expect(
            fencing.slot(for: .shared, among: Self.sessions(.shared, .waiting, .checkedOut)) == .taken,
            "one slot is for the fencing session"
        )
        #expect(fencing.slot(for: .shared, among: Self.sessions(.shared, .waiting, .fencing)) == .free)
    }

    @Test("without a shared session, check-outs can have all slots")
    func noSharedSession() {
        var configuration = Engine.Configuration()
        configuration.maximumConnections = 2
        configuration.hasSharedSession = false
        let pool = SessionPool(configuration)
        #expect(pool.slot(for: .checkedOut, among: Self.sessions(.checkedOut)) == .free)
        #expect(pool.slot(for: .checkedOut, among: Self.sessions(.checkedOut, .checkedOut)) == .taken)
    }

    @Test("where waits and check-outs have one slot together, the role without a session gets that of the other when it is idle")
    func inTurn() {
        let pool = Self.pool(2)
        let waiting = Self.sessions(.shared, .waiting, idle: [2])
        #expect(pool.hasOnlySlot(among: waiting))
        #expect(pool.onlySlot(for: .checkedOut, among: waiting) == .converting(2))
        #expect(pool.onlySlot(for: .waiting, among: waiting) == .taken)
        #expect(pool.onlySlot(for: .waiting, among: Self.sessions(.shared, .checkedOut, struck: [2])) == .replacing(2))
        #expect(pool.onlySlot(for: .waiting, among: Self.sessions(.shared, .checkedOut)) == .taken)
        #expect(pool.onlySlot(for: .waiting, among: Self.sessions(.shared, .checkedOut, .waiting, idle: [2])) == .taken)

        let larger = Self.pool(3)
        #expect(!larger.hasOnlySlot(among: waiting))
        #expect(larger.onlySlot(for: .checkedOut, among: waiting) == .taken)
        #expect(larger.onlySlot(for: .checkedOut, among: Self.sessions(.shared, .waiting, .waiting, idle: [2])) == .taken)
        let silent = Self.sessions(.shared, .shared, .waiting, idle: [3])
        #expect(larger.hasOnlySlot(among: silent))
        #expect(larger.onlySlot(for: .checkedOut, among: silent) == .converting(3))
    }

    // MARK: Opening and closing

    /// The sessions 1 and 2 take both slots, and 3 waits for one.
    private static func full() -> SessionPool {
        var pool = pool(2)
        for id: ConnectionID in [1, 2, 3] { pool.append(id, .waiting) }
        for id: ConnectionID in [1, 2] { #expect(pool.popUnopened(of: 3)?.id == id) }
        #expect(pool.popUnopened(of: 3)?.id == nil)
        #expect(pool.sessionCount(of: 3) == 2)
        return pool
    }

    @Test("a closed session keeps its slot until it has ended at the server, and then the first waiting attempt begins")
    func ending() {
        var pool = Self.full()
        pool.append(4, .checkedOut)
        pool.close(1)
        #expect(pool.sessionCount(of: 3) == 2)
        #expect(pool.popUnopened(of: 3)?.id == nil)
        pool.ended(1)
        #expect(pool.sessionCount(of: 3) == 1)
        let next = pool.popUnopened(of: 3)
        #expect(next?.id == 3)
        #expect(next?.role == .waiting)
        #expect(pool.popUnopened(of: 3)?.id == nil)
    }

    @Test("a failed attempt leaves its slot to the next one at once")
    func failed() {
        var pool = Self.full()
        #expect(pool.popUnopened(of: 2)?.id == 3)
    }

    @Test("an attempt that is given up before it has begun leaves nothing behind")
    func unopened() {
        var pool = Self.full()
        pool.append(4, .checkedOut)
        pool.close(3)
        #expect(pool.sessionCount(of: 3) == 2)
        pool.close(1)
        pool.ended(1)
        #expect(pool.popUnopened(of: 2)?.id == 4)
        #expect(pool.sessionCount(of: 2) == 2)
    }
}
