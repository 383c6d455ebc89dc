import LockCore
import Testing

@testable import PostgresLock

@Suite("Values by session")
struct SessionMapTests {
    @Test("are found by their session, whatever the order in which they came, until they are removed")
    func find() {
        var map = SessionMap<String>()
        for id in [4, 1, 7, 3] { map[ConnectionID(id)] = "\(id)" }
        #expect(map.count == 4 && !map.isEmpty)
        for id in 0...8 { #expect(map[ConnectionID(id)] == ([1, 3, 4, 7].contains(id) ? "\(id)" : nil)) }
        map[ConnectionID(3)] = "new"
        #expect(Array(map.values) == ["1", "new", "4", "7"])
        #expect(map.remove(ConnectionID(4)) == "4")
        #expect(map.remove(ConnectionID(5)) == nil)
        map[ConnectionID(1)] = nil
        #expect(map.compactMapValues { $0 == "new" ? nil : $0 + "!" } == [ConnectionID(7): "7!"])
        #expect(map.count == 2)
    }
}
