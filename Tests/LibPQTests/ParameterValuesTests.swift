import Testing

@testable import LibPQ

@Suite("How parameters are given to libpq")
struct ParameterValuesTests {
    /// What libpq would send of a parameter.
    private struct Sent: Hashable {
        let bytes: [UInt8]?
        let format: Int32
    }

    private static func sent(_ values: Statement.Values) -> [Sent] {
        values.withUnsafeValues { values in
            (0..<Int(values.count)).map { index in
                guard let pointers = values.pointers, let lengths = values.lengths, let formats = values.formats else {
                    return Sent(bytes: nil, format: -1)
                }
                let bytes = pointers[index].map { Array(UnsafeRawBufferPointer(start: $0, count: Int(lengths[index]))) }
                return Sent(bytes: bytes, format: formats[index])
            }
        }
    }

    @Test("a key of one number is sent as in a list", arguments: [0, 1, -1, .min, .max, 0x0102_0304_0506_0708])
    func oneNumber(_ number: Int64) {
        let sent = Self.sent(.int8(number))
        #expect(sent == [Sent(bytes: withUnsafeBytes(of: number.bigEndian) { Array($0) }, format: 1)])
        #expect(sent == Self.sent(.list([.int8(number)])))
        #expect(Statement.Values.int8(number).parameters == [.int8(number)])
    }

    @Test("a key of two numbers is sent as in a list", arguments: [(0, 0), (1, -1), (Int32.min, Int32.max), (0x0102_0304, 0x0506_0708)])
    func twoNumbers(_ first: Int32, _ second: Int32) {
        let sent = Self.sent(.int4Pair(first, second))
        #expect(sent == [first, second].map { number in Sent(bytes: withUnsafeBytes(of: number.bigEndian) { Array($0) }, format: 1) })
        #expect(sent == Self.sent(.list([.int4(first), .int4(second)])))
        #expect(Statement.Values.int4Pair(first, second).parameters == [.int4(first), .int4(second)])
    }

    @Test("a list has any values, also NULL, and none")
    func list() {
        let text = Statement.Parameter(type: 25, bytes: Array("abc".utf8), isBinary: false)
        let null = Statement.Parameter(type: 25, bytes: nil, isBinary: false)
        #expect(Self.sent(.list([])).isEmpty)
        #expect(
            Self.sent(.list([text, null, .int4(5)]))
                == [Sent(bytes: [97, 98, 99], format: 0), Sent(bytes: nil, format: 0), Sent(bytes: [0, 0, 0, 5], format: 1)]
        )
    }
}
