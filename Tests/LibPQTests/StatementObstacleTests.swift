import LibPQ
import Testing

@Suite("Statements that can't be sent")
struct StatementObstacleTests {
    /// With a zero byte for each `#`: test logs stay text that way.
    private static func zeroed(_ text: String) -> String { text.replacing("#", with: "\0") }

    private static func text(_ value: String) -> Statement.Parameter {
        Statement.Parameter(type: 0, bytes: Array(value.utf8), isBinary: false)
    }

    @Test("SQL with a zero byte in it is not sent", arguments: ["#", "SELECT 1#", "DELETE FROM t# WHERE a = 1"])
    func sql(sql: String) {
        #expect(Statement.obstacle(Self.zeroed(sql), []) == .zeroInSQL)
    }

    @Test("a text parameter with a zero byte in it is not sent, and the error has its number", arguments: ["#", "admin#x", "x#"])
    func parameter(value: String) {
        #expect(Statement.obstacle("SELECT $1, $2", [Self.text("a"), Self.text(Self.zeroed(value))]) == .zeroInParameter(2))
    }

    @Test("statements with zero bytes in binary parameters, empty texts and NULL are sent")
    func binary() {
        let parameters = [
            .int8(0), Statement.Parameter(type: 17, bytes: [0, 1, 0], isBinary: true), Self.text(""), Self.text("☃"),
            Statement.Parameter(type: 0, bytes: nil, isBinary: false),
        ]
        #expect(Statement.obstacle("SELECT '☃', $1, $2, $3, $4, $5", parameters) == nil)
        #expect(Statement.obstacle("", []) == nil)
    }

    @Test("a statement with more than 65,535 parameters is not sent")
    func count() {
        let many = Array(repeating: Statement.Parameter.int4(1), count: 65_536)
        #expect(Statement.obstacle("SELECT 1", many.dropLast()) == nil)
        #expect(Statement.obstacle("SELECT 1", many) == .tooManyParameters(65_536))
    }

    @Test("a statement that is longer than the server takes in one message is not sent")
    func length() {
        // The same 32 MiB, 31 or 32 times.
        let large = Array(repeating: Statement.Parameter(type: 17, bytes: Array(repeating: 0, count: 1 << 25), isBinary: true), count: 32)
        #expect(Statement.obstacle("SELECT 1", large.dropLast()) == nil)
        #expect(Statement.obstacle("SELECT 1", large) == .tooLong(1 << 30 + 32 * 6))
    }
}
