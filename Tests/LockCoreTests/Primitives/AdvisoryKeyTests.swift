import LockCore
import Testing

@Suite("An advisory key")
struct AdvisoryKeyTests {
    @Test(
        "an advisory key of two numbers gives both back",
        arguments: [Int32.min, -1, 0, 1, Int32.max],
        [Int32.min, -1, 0, 1, Int32.max]
    )
    func pair(first: Int32, second: Int32) {
        let key = AdvisoryKey(first, second)
        #expect(key.pair == (first, second))
        #expect(key.description == "(\(first), \(second))")
        #expect(key != AdvisoryKey(key.bits))
    }

    @Test("an advisory key of one number is that number", arguments: [Int64.min, -1, 0, 1, Int64.max])
    func number(number: Int64) {
        #expect(AdvisoryKey(number).bits == number)
        #expect(AdvisoryKey(number).description == "\(number)")
    }
}
