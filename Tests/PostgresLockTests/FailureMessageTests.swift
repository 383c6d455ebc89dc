import LockCore
import Testing

@testable import PostgresLock

@Suite("What people are told of failures")
struct FailureMessageTests {
    private static let causes: [Failure.Cause] = [
        .stillConnecting, .unanswered, .noAnswer, .silent, .gone, .shutDown, .unexpectedAnswer, .unexpectedToken, .noAnswerToCommit,
        .unknownHold(nil, .noAnswer), .unknownHold(AdvisoryKey(7), .said("Out of memory.")), .unknownRollback, .unknownWait, .notHeld,
        .notHeldAtServer(nil), .notHeldAtServer(AdvisoryKey(7)), .modeIsChanging, .releasedWithoutToken, .endedBySQL,
        .impossibleSession("it was so"), .impossibleLock("it was so"),
    ]

    @Test("each cause has a sentence of its own")
    func sentences() {
        let texts = Self.causes.map { Failure(.connectionLost, $0).message }
        for text in texts {
            #expect(text.first?.isUppercase == true && text.last == ".", "\(text)")
            #expect(!text.contains(".."), "\(text)")
        }
        #expect(Set(texts).count == texts.count)
    }

    @Test("the server's words come through, and a key is named")
    func words() {
        #expect(Failure(.statement, "Division by zero").message == "Division by zero")
        let unknown = Failure(.connectionLost, .unknownHold(AdvisoryKey(7), .said("Out of memory."))).message
        #expect(unknown == "Whether the lock \(AdvisoryKey(7)) is held can't be found out: Out of memory.")
    }

    @Test(
        "the advice for a server that can't be reached fits the reason",
        arguments: [
            ("connection to server at \"db\" failed: server does not support SSL, but SSL was required", "ssl = on"),
            ("connection to server at \"db\", port 5432 failed: SSL error: certificate verify failed", "sslrootcert"),
            ("A second connection is not answered while there is a first one.", "pool_size"),
            ("connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: No such file or directory", "PGHOST"),
            ("The server did not answer in time.", "pooler"),
            ("connection to server at \"db\", port 5432 failed: Connection refused", "Check host, port, and that the server is running."),
        ]
    )
    func reaching(_ reason: String, _ advice: String) {
        let failure = Failure(.unreachable, reason)
        #expect(failure.adviceForUnreachable.contains(advice))
        let message = LockError(failure, keys: [], databaseName: "the server").message
        #expect(message.hasSuffix(failure.adviceForUnreachable), "\(message)")
        let login = LockError(Failure(.authentication, reason), keys: [], databaseName: "the server").message
        #expect(login.hasSuffix("Check user and password."), "\(login)")
    }

    @Test(
        "a reason in a language other than English, or an unknown one, gets advice that leaves the reason open",
        arguments: [
            "Verbindung zum Server auf »db«, Port 5432 fehlgeschlagen: Server unterstützt kein SSL, aber SSL wurde verlangt",
            "Verbindung zum Server auf Socket »/tmp/.s.PGSQL.5432« fehlgeschlagen: Datei oder Verzeichnis nicht gefunden",
            "connection to server at \"db\", port 5432 failed: something new",
        ]
    )
    func otherLanguages(_ reason: String) {
        let advice = Failure(.unreachable, reason).adviceForUnreachable
        for word in ["host", "port", "sslmode", "sslrootcert", "server is running"] { #expect(advice.contains(word), "\(advice)") }
    }

    @Test("a server that has answered is not said not to run, in whichever language it answers")
    func answered() {
        let starting = Failure(.unreachable, "FATAL: das Datenbanksystem startet", sqlState: "57P03")
        #expect(starting.adviceForUnreachable.hasPrefix("Wait until the server has started"))
        let refusing = Failure(.unreachable, "FATAL: Speicher aufgebraucht", sqlState: "53200")
        #expect(refusing.adviceForUnreachable.hasPrefix("A server has answered"))
    }

    @Test(
        "a login that pg_hba.conf refuses is not said to have a wrong password, in whichever language the server says it",
        arguments: [
            ("FATAL: no pg_hba.conf entry for host \"10.0.0.1\"", "28000", "The password was not looked at."),
            ("FATAL: kein pg_hba.conf-Eintrag für Host »10.0.0.1«", "28000", "The password was not looked at."),
            ("FATAL: Rolle »u« existiert nicht", "28000", "Check that the role exists"),
            ("FATAL: Passwort-Authentifizierung für Benutzer »pg_hba.conf« fehlgeschlagen", "28P01", "Check user and password."),
        ]
    )
    func logins(_ message: String, _ state: String, _ advice: String) {
        let error = LockError(Failure(.authentication, message, sqlState: state), keys: [], databaseName: "the server")
        #expect(error.code == .authenticationFailed)
        #expect(error.message.contains(advice), "\(error.message)")
    }

    @Test(
        "durations are shown with three digits at most",
        arguments: [
            (.seconds(0.04995966660330825), "0.05 seconds"), (.seconds(2), "2.0 seconds"), (.milliseconds(1234), "1.23 seconds"),
            (.seconds(0.7), "0.7 seconds"), (.zero, "0.0 seconds"), (.seconds(86_401), "86401.0 seconds"),
            (.seconds(123.4), "123.0 seconds"), (.nanoseconds(12_345), "12.3 µs"),
            (.milliseconds(1), "0.001 seconds"), (.seconds(-1.5), "-1.5 seconds"),
        ] as [(Duration, String)]
    )
    func durations(_ duration: Duration, _ text: String) {
        #expect(duration.shown == text)
    }

    @Test("a refusal for want of room says how many locks there are, and where the limit comes from")
    func fullness() {
        func message(_ count: Int, isAll: Bool, _ capacity: Engine.Capacity, of size: Int?) -> String {
            Failure(.capacity, .full(Failure.Fullness(count: count, isAll: isAll, capacity: capacity, lockTableSize: size))).message
        }
        #expect(
            message(3, isAll: false, .keys(3), of: 6)
                == "This manager holds or asks for 3 locks already, which is the configured limit"
        )
        let all = message(16, isAll: true, .fraction(0.5), of: 32)
        #expect(
            all.hasPrefix("All sessions of the server together hold or ask for 16 locks already, which is at least 0.5 of the 32 that ")
        )
        #expect(all.contains("max_locks_per_transaction"))
        #expect(message(3, isAll: false, .fraction(0.5), of: 6).contains("which is 0.5 of the 6 that "))
    }
}
