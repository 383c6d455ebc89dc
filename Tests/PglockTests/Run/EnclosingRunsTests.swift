import Foundation
import LibPQ
import PostgresLock
import Testing

@testable import pglock

@Suite("The locks that a pglock run holds around another one")
struct EnclosingRunsTests {
    private static let outer = "host=db hostaddr=10.0.0.1 port=5433 dbname=app user=u"

    private static func runs(_ string: String, entries: String? = nil) -> EnclosingRuns {
        EnclosingRuns(ConnectionParameters(string: string, applicationName: "test"), entries: entries)
    }

    @Test("the lock of an enclosing pglock run is known by its key and database, for any user")
    func sameDatabase() {
        let entries = Self.runs(Self.outer).adding("a")
        #expect(Self.runs(Self.outer, entries: entries).hold("a"))
        #expect(!Self.runs(Self.outer, entries: entries).hold("b"))
        #expect(!Self.runs(Self.outer).hold("a"))
        #expect(Self.runs("postgres://v:secret@db:5433/app?hostaddr=10.0.0.1", entries: entries).hold("a"))
        // All of them count, not the innermost alone.
        let further = Self.runs(Self.outer, entries: entries).adding("b")
        for key in ["a", "b"] as [LockKey] { #expect(Self.runs(Self.outer, entries: further).hold(key)) }
    }

    @Test("the lock of an enclosing pglock run is known by its mode; if two hold it, one alone counts")
    func mode() {
        let shared = Self.runs(Self.outer).adding("a", .shared)
        #expect(Self.runs(Self.outer, entries: shared).mode(of: "a") == .shared)
        let both = Self.runs(Self.outer, entries: shared).adding("a")
        #expect(Self.runs(Self.outer, entries: both).mode(of: "a") == .exclusive)
        #expect(Self.runs(Self.outer, entries: both).mode(of: "b") == nil)
    }

    @Test(
        "the same key in another database, on another server or at another address is another lock",
        arguments: [("db ", "other "), ("10.0.0.1", "10.0.0.2"), ("5433", "5434"), ("dbname=app", "dbname=other")]
    )
    func otherDatabase(this: String, that: String) {
        let other = Self.outer.replacing(this, with: that)
        #expect(other != Self.outer)
        #expect(!Self.runs(other, entries: Self.runs(Self.outer).adding("a")).hold("a"))
    }

    @Test("the same key of another user is another lock if the user's name is the database's")
    func user() {
        let entries = Self.runs("host=db user=u").adding("a")
        #expect(Self.runs("host=db user=u", entries: entries).hold("a"))
        #expect(!Self.runs("host=db user=v", entries: entries).hold("a"))
    }

    @Test("an entry of a process that is no ancestor is ignored")
    func orphaned() {
        let entry = Self.runs(Self.outer).adding("a")
        let head = entry.prefix { $0 != "@" }
        let mark = entry.dropFirst(head.count + 1).prefix { $0 != "@" }
        #expect(Self.runs(Self.outer, entries: "\(head)@\(mark)@\(getppid())").hold("a"), "this process comes from that one")
        for process in ["", "0", "x", "\(Int32.max)"] { #expect(!Self.runs(Self.outer, entries: "\(head)@\(mark)@\(process)").hold("a")) }
    }
}
