import Foundation
import LibPQ
import Testing

@testable import PostgresLock

/// A pooler sets what its client has said as it connected, in a session that began without it. Here the session sets it by itself.
@Suite("Settings of the client behind a pooler", .database)
struct ClientSettingsTests {
    private static let wanted = [
        ("application_name", #"it's \ a name"#), ("client_encoding", "LATIN1"), ("TimeZone", "Asia/Tokyo"),
        ("search_path", #""$user", "it's""#),
    ]

    /// The settings that the server says by itself, which `search_path` is among from PostgreSQL 18 on.
    private static func wanted(by session: BlockingSession) -> [String: String] {
        let names = session.serverVersion < 180_000 ? wanted.dropLast() : wanted[...]
        return Dictionary(uniqueKeysWithValues: names)
    }

    private static func settings(_ session: BlockingSession, _ names: some Sequence<String>) throws -> [String: String?] {
        var settings: [String: String?] = [:]
        for name in names { settings[name] = try session.ask("SHOW \(name)").text(row: 0, column: 0) }
        return settings
    }

    @Test("a reset gives the session back what its client has said", arguments: [false, true])
    func restored(staysInPool: Bool) async throws {
        let (wanted, lost, found) = try await TestDatabase.get().withBlockingSession { session in
            let wanted = Self.wanted(by: session)
            for (name, value) in wanted {
                let literal = value.replacing("\\", with: "\\\\").replacing("'", with: "''")
                _ = try session.ask("SELECT set_config('\(name)', E'\(literal)', false)")
            }
            let settings = SessionSettings(lease: .seconds(10)).staying(staysInPool)
            try session.apply(settings)
            let lost = session.raw.session.clientSettings
            for statement in settings.reset(mayDefer: false, ofClient: lost) { _ = try session.query(statement) }
            return (wanted, lost, try Self.settings(session, wanted.keys))
        }
        #expect(lost == wanted)
        #expect(found == wanted.mapValues { $0 })
    }

    @Test("what a session has begun with is left to DISCARD ALL")
    func own() async throws {
        let lost = try await TestDatabase.get().withBlockingSession { session in
            try session.apply(SessionSettings())
            return session.raw.session.clientSettings
        }
        // A pooler in front of all tests is one.
        if try TestDatabase.get().pooler == nil { #expect(lost == [:]) }
    }
}
