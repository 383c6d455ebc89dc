import Testing

@testable import LockCore

@Suite("Savepoints, as a transaction's body writes them")
struct SavepointsTests {
    /// Ours below, the body's `s`, then a lock, then ours again, then the body's `t`.
    private static var sheltering: Savepoints {
        var savepoints = Savepoints()
        savepoints.noteSet()
        _ = savepoints.note("SAVEPOINT s", tag: "SAVEPOINT")
        savepoints.noteLock(1)
        savepoints.noteSet()
        _ = savepoints.note("SAVEPOINT t", tag: "SAVEPOINT")
        return savepoints
    }

    @Test(
        "a base is wanted before whatever may begin a savepoint",
        arguments: [
            ("SAVEPOINT a", true), ("savepoint a", true), ("SavePoint a", true), ("/* x */ SAVEPOINT a", true), ("--\nSAVEPOINT\na", true),
            ("SELECT 'savepoint'", true), ("sSAVEPOINT", true), ("SAVEPOIN", false), ("SELECT 1", false), ("", false),
            ("RELEASE a", false), ("ROLLBACK TO a", false), ("SAVEPOIÑT a", false), ("SAVE POINT", false),
        ]
    )
    func wanted(sql: String, isWanted: Bool) {
        #expect(Savepoints().isWanted(before: sql) == isWanted)
    }

    @Test("another savepoint of the library is wanted only if a lock was taken since the last one")
    func another() {
        var savepoints = Savepoints()
        savepoints.noteLock(1)
        #expect(savepoints.exposed.isEmpty, "without a base an error takes all along")
        savepoints.noteSet()
        #expect(savepoints.isBaseSet)
        #expect(!savepoints.isWanted(before: "SAVEPOINT a"))
        savepoints.noteLock(2)
        #expect(savepoints.exposed == [2])
        #expect(savepoints.isWanted(before: "SAVEPOINT a"))
        #expect(!savepoints.isWanted(before: "SELECT 1"))
        savepoints.noteSet()
        #expect(savepoints.exposed.isEmpty)
        #expect(!savepoints.isWanted(before: "SAVEPOINT a"))
    }

    @Test("a lock that is released is exposed no more, and one that is taken again is")
    func forgotten() {
        var savepoints = Self.sheltering
        savepoints.noteLock(2)
        savepoints.forget(2)
        savepoints.forget(1)
        #expect(savepoints.exposed.isEmpty)
        _ = savepoints.note("ROLLBACK TO s", tag: "ROLLBACK")
        #expect(savepoints.exposed.isEmpty)
        savepoints.noteLock(1)
        #expect(savepoints.exposed == [1])
        savepoints.noteSet()
        savepoints.noteLock(1)
        #expect(savepoints.exposed == [1])
        savepoints.forget(1)
        _ = savepoints.note("RELEASE s", tag: "RELEASE")
        #expect(savepoints.exposed.isEmpty, "nothing is left of what it was sheltered by before")
    }

    @Test(
        "a rollback or release behind the library's savepoint leaves the earlier locks sheltered",
        arguments: [
            ("RELEASE t", "RELEASE"), ("release savepoint T ;", "RELEASE"), ("ROLLBACK TO t", "ROLLBACK"),
            ("Rollback Work To Savepoint \"t\"", "ROLLBACK"), ("RELEASE\"t\"", "RELEASE"), ("rollback transaction\tto\nt;;", "ROLLBACK"),
            ("ROLLBACK TO SAVEPOINT t", "ROLLBACK"), ("ROLLBACK WORK TO t", "ROLLBACK"),
            ("ROLLBACK TRANSACTION TO SAVEPOINT t", "ROLLBACK"), ("SAVEPOINT u", "SAVEPOINT"), ("SELECT 1", "SELECT"),
        ]
    )
    func behind(sql: String, tag: String) {
        var savepoints = Self.sheltering
        #expect(savepoints.note(sql, tag: tag) == false)
        #expect(savepoints.exposed.isEmpty)
    }

    @Test(
        "a rollback or release before the library's savepoint exposes the locks that it has sheltered",
        arguments: [
            ("RELEASE s", "RELEASE"), ("ROLLBACK TO s", "ROLLBACK"), ("RELEASE \"T\"", "RELEASE"), ("RELEASE never_seen", "RELEASE"),
        ]
    )
    func before(sql: String, tag: String) {
        var savepoints = Self.sheltering
        #expect(savepoints.note(sql, tag: tag) == false)
        #expect(savepoints.exposed == [1])
        #expect(savepoints.isBaseSet)
        #expect(savepoints.note("RELEASE u /**/", tag: "RELEASE") == false, "nothing is sheltered any more")
    }

    @Test(
        "an unclear release exposes the sheltered locks, and the library's savepoint is set again",
        arguments: [
            "RELEASE t /**/", "RELEASE t -- t", "RELEASE\u{A0}t", #"RELEASE "a""t""#, "/**/ RELEASE t", "RELEASE t$", "RELEASE tä",
            "RELEASE /* \"t\"", "SAVEPOINT_RELEASE t", "RELEASE/**/t", "x\"t\"",
            "RELEASE " + String(repeating: "t", count: 64), "RELEASE " + String(repeating: " ", count: 200) + "t", "RELEASE \"\"",
        ]
    )
    func uncertain(sql: String) {
        var savepoints = Self.sheltering
        #expect(savepoints.note(sql, tag: "RELEASE") == true)
        #expect(savepoints.exposed == [1])
        #expect(savepoints.isBaseSet, "the base has another name")
        savepoints.noteSet()
        #expect(savepoints.exposed.isEmpty)
    }

    @Test("with no lock before the latest savepoint of the library, an unclear release of savepoints needs no new one")
    func uncertainForNothing() {
        var savepoints = Savepoints()
        savepoints.noteSet()
        #expect(savepoints.note("SAVEPOINT a /**/", tag: "SAVEPOINT") == false)
        #expect(savepoints.note("RELEASE a /**/", tag: "RELEASE") == false)
        #expect(savepoints.note("ROLLBACK TO a /**/", tag: "ROLLBACK") == false)
    }

    @Test(
        "a name of 63 bytes is certain, and one of 64 is not, since the server cuts it off",
        arguments: [(63, false), (64, true)]
    )
    func long(count: Int, isSetAgain: Bool) {
        let name = String(repeating: "n", count: count)
        var savepoints = Self.sheltering
        _ = savepoints.note("SAVEPOINT \(name)", tag: "SAVEPOINT")
        #expect(savepoints.note("RELEASE \(name)", tag: "RELEASE") == isSetAgain)
        #expect(savepoints.exposed == (isSetAgain ? [1] : []))
    }

    @Test(
        "a base that may be gone is set again, and until then an error counts as one that has released all locks",
        arguments: [
            ("RELEASE swift_postgres_lock_base", "RELEASE"), ("RELEASE SWIFT_POSTGRES_LOCK_BASE /**/", "RELEASE"),
            (#"RELEASE U&"swift\005fpostgres_lock_base""#, "RELEASE"), (#"release u&"d@0061t" UESCAPE '@'"#, "RELEASE"),
            ("ROLLBACK AND CHAIN", "ROLLBACK"), ("rollback /**/ and chain", "ROLLBACK"),
            (#"ROLLBACK TO U&"\0061""#, "ROLLBACK"), ("ROLLBACK TO swift_postgres_lock_base /**/", "ROLLBACK"),
        ]
    )
    func baseGone(sql: String, tag: String) {
        for isSheltering in [true, false] {
            var savepoints = Savepoints()
            savepoints.noteSet()
            if isSheltering { savepoints = Self.sheltering }
            #expect(savepoints.note(sql, tag: tag) == true)
            #expect(!savepoints.isBaseSet)
            savepoints.noteSet()
            #expect(savepoints.isBaseSet)
            #expect(savepoints.exposed.isEmpty)
        }
    }

    @Test(
        "a savepoint of any name is no reason to set the library's savepoint again",
        arguments: [
            ("RELEASE supply_chain", "RELEASE"), ("ROLLBACK TO SAVEPOINT supply_chain", "ROLLBACK"), ("RELEASE a -- chain", "RELEASE"),
            (#"RELEASE "u&""#, "RELEASE"), ("RELEASE swift_postgres_lock", "RELEASE"),
        ]
    )
    func anyName(sql: String, tag: String) {
        var savepoints = Savepoints()
        savepoints.noteSet()
        #expect(savepoints.note(sql, tag: tag) == false)
        #expect(savepoints.isBaseSet)
    }

    @Test("a savepoint of the body with the name of the base is the body's own while it exists")
    func namesake() {
        var savepoints = Savepoints()
        savepoints.noteSet()
        #expect(savepoints.note("SAVEPOINT swift_postgres_lock_base", tag: "SAVEPOINT") == false)
        #expect(savepoints.note("ROLLBACK TO swift_postgres_lock_base", tag: "ROLLBACK") == false)
        #expect(savepoints.note("RELEASE swift_postgres_lock_base", tag: "RELEASE") == false)
        #expect(savepoints.isBaseSet)
        #expect(savepoints.note("RELEASE swift_postgres_lock_base", tag: "RELEASE") == true)
        #expect(!savepoints.isBaseSet)

        savepoints = Self.sheltering
        _ = savepoints.note("SAVEPOINT swift_postgres_lock_base", tag: "SAVEPOINT")
        _ = savepoints.note("ROLLBACK TO s", tag: "ROLLBACK")
        #expect(savepoints.note("RELEASE swift_postgres_lock_base", tag: "RELEASE") == true, "its own went with the rollback")
    }

    @Test("a name means its latest savepoint; a release removes it and the later ones, a rollback only the later ones")
    func latest() {
        var savepoints = Self.sheltering
        for name in ["a", "b", "a", "c"] { _ = savepoints.note("SAVEPOINT \(name)", tag: "SAVEPOINT") }
        #expect(savepoints.note("ROLLBACK TO a", tag: "ROLLBACK") == false)
        #expect(savepoints.note("RELEASE a", tag: "RELEASE") == false)
        #expect(savepoints.note("RELEASE a", tag: "RELEASE") == false)
        #expect(savepoints.exposed.isEmpty)
        _ = savepoints.note("RELEASE b", tag: "RELEASE")
        #expect(savepoints.exposed == [1], "b went with the first a")

        savepoints = Self.sheltering
        _ = savepoints.note("SAVEPOINT a", tag: "SAVEPOINT")
        _ = savepoints.note("SAVEPOINT b", tag: "SAVEPOINT")
        _ = savepoints.note("ROLLBACK TO a", tag: "ROLLBACK")
        _ = savepoints.note("RELEASE b", tag: "RELEASE")
        #expect(savepoints.exposed == [1], "the rollback has taken b along")
    }
}
