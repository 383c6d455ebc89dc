import Testing

@testable import pglock

@Suite("A password")
struct RedactionTests {
    @Test(
        "a password is removed from printed texts",
        arguments: [
            "postgres://app:hunter2@db/app", "'postgresql://:hunter2@db' is invalid", "postgres://app:p@ss:hunter2@db:5432/x",
            "host=db password=hunter2 user=x", "password = 'two hunter2 words' host=db", "PGPASSWORD=hunter2",
            "postgres://db/app?user=x&password=hunter2&port=1",
        ]
    )
    func redacted(_ text: String) {
        let redacted = Redaction.redact(text)
        #expect(!redacted.contains("hunter2"))
        #expect(redacted.contains("********"))
    }

    @Test("texts without a password are printed unchanged", arguments: ["postgres://db:5432/app", "lock \"a:b\" at 12:30", "a@b"])
    func untouched(_ text: String) {
        #expect(Redaction.redact(text) == text)
    }
}
