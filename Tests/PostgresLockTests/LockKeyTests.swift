import PostgresLock
import Testing

@Suite("Keys")
struct LockKeyTests {
    @Test(
        "a name's number is the one that Python's postgresql-lock derives",
        arguments: [
            ("shared-identifier", -464_685_171_814_670_893), ("my-lock", 4_791_209_619_368_833_285),
            ("42", -7_867_842_753_158_719_212),
        ] as [(String, Int64)]
    )
    func vectors(name: String, number: Int64) {
        #expect(LockKey(name).number == number)
        #expect(LockKey(name).pair == nil)
    }

    @Test("a description is one line of limited length, whatever the name is; the key is that of the whole name")
    func description() {
        #expect("\(LockKey("orders:42"))".hasPrefix("\"orders:42\" ("))
        #expect("\(LockKey("Größe 🔒"))".hasPrefix("\"Größe 🔒\" ("))
        #expect("\(LockKey("a\nb\u{202e}c\u{1b}[0m"))".hasPrefix(#""a\nb\u{202E}c\u{1B}[0m" ("#))
        let long = LockKey(String(repeating: "x", count: 100_000))
        #expect("\(long)".hasPrefix("\"\(String(repeating: "x", count: 100))…\" ("))
        #expect("\(long)".count < 130)
        #expect(long != LockKey(String(repeating: "x", count: 100)))
        #expect("\(LockKey(String(repeating: "x", count: 100)))".hasPrefix("\"\(String(repeating: "x", count: 100))\" ("))
    }

    @Test("a value's description is what counts, and a raw number is another thing")
    func described() {
        #expect(LockKey(describing: 42) == "42")
        #expect(LockKey(number: 42) != "42")
        #expect(LockKey(number: 42).number == 42)
    }

    @Test("the two key spaces never meet")
    func spaces() {
        #expect(LockKey(0, 42) != LockKey(number: 42))
        #expect(LockKey(-1, -2).pair?.first == -1)
        #expect(LockKey(-1, -2).pair?.second == -2)
        #expect(LockKey(-1, -2).number == nil)
    }

    @Test("names that Swift calls equal, but whose UTF-8 differs, are different keys")
    func normalization() {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        #expect(composed == decomposed)
        #expect(LockKey(composed) != LockKey(decomposed))
    }

    @Test("equality is the number's alone")
    func equality() {
        let named: LockKey = "my-lock"
        let raw = LockKey(number: 4_791_209_619_368_833_285)
        #expect(named == raw)
        #expect(named.hashValue == raw.hashValue)
        #expect(named.name == "my-lock")
        #expect(raw.name == nil)
        #expect("\(named)" == "\"my-lock\" (4791209619368833285)")
    }
}
