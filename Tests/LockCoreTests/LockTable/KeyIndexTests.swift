import Testing

@testable import LockCore

@Suite("The index of keys")
struct KeyIndexTests {
    @Test("finds what was inserted and not removed, as a dictionary does", arguments: [1 as UInt64, 2, 3])
    func random(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var index = KeyIndex()
        var expected: [AdvisoryKey: Int] = [:]
        for number in 0..<20_000 {
            // Few keys, so that they are often inserted and removed again, and the table is full and empty in turn.
            let bits = Int64.random(in: 0..<(number % 4000 < 2000 ? 200 : 8), using: &random)
            let key = Bool.random(using: &random) ? AdvisoryKey(bits) : AdvisoryKey(0, Int32(bits))
            if Bool.random(using: &random) {
                #expect(index.insert(key, orElse: number) == expected[key] ?? number)
                expected[key] = expected[key] ?? number
            } else {
                index.remove(key)
                expected[key] = nil
            }
            #expect(index.count == expected.count)
        }
        for bits in 0..<Int64(200) {
            for key in [AdvisoryKey(bits), AdvisoryKey(0, Int32(bits))] { #expect(index[key] == expected[key]) }
        }
    }

    @Test("grows with its keys")
    func growth() {
        var index = KeyIndex()
        for number in 0..<5000 { #expect(index.insert(AdvisoryKey(Int64(number) << 20), orElse: number) == number) }
        #expect(index.count == 5000)
        for number in 0..<5000 { #expect(index[AdvisoryKey(Int64(number) << 20)] == number) }
        #expect(index[AdvisoryKey(7)] == nil)
    }
}
