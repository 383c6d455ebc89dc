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

    @Test("the permit of an enclosing pglock run is known by its name, its number and the limit, and is no lock of the same name")
    func permit() {
        let entries = Self.runs(Self.outer).adding(permit: 2, of: 3, "a")
        let runs = Self.runs(Self.outer, entries: entries)
        #expect(runs.permit(of: "a", limit: 3) == 2)
        #expect(runs.permit(of: "a", limit: 4) == nil)
        #expect(runs.permit(of: "b", limit: 3) == nil)
        #expect(!runs.hold("a"))
        #expect(runs.text == entries)
        // The innermost one counts, and a lock of the same name is none.
        let further = Self.runs(Self.outer, entries: runs.adding(permit: 1, of: 3, "a"))
        #expect(Self.runs(Self.outer, entries: further.adding("a")).permit(of: "a", limit: 3) == 1)
        #expect(Self.runs(Self.outer, entries: further.adding("a")).mode(of: "a") == .exclusive)
        #expect(Self.runs(Self.outer, entries: Self.runs(Self.outer).adding("a")).permit(of: "a", limit: 3) == nil)
        #expect(Self.runs(Self.outer.replacing("5433", with: "5434"), entries: entries).permit(of: "a", limit: 3) == nil)
    }

    @Test("an entry of a permit that can't be read, or that of a process that is no ancestor, is ignored")
    func unreadablePermit() {
        let entry = Self.runs(Self.outer).adding(permit: 2, of: 3, "a")
        let lock = entry.prefix(through: entry.lastIndex(of: "@") ?? entry.startIndex)
        func permit(_ holder: String) -> Int? { Self.runs(Self.outer, entries: "\(lock)\(holder)").permit(of: "a", limit: 3) }
        #expect(permit("\(getppid())p2/3") == 2, "this process comes from that one")
        let others = ["0p2/3", "\(Int32.max)p2/3", "p2/3"] + ["", "p/3", "p0/3", "p4/3", "p2", "p2/3/"].map { "\(getppid())\($0)" }
        for holder in others { #expect(permit(holder) == nil, "\(holder)") }
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
