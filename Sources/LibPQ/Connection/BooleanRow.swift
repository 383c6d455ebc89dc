/// The values of one row of Booleans, up to its first NULL. It allocates nothing, since there may be thousands of rows.
struct BooleanRow: Hashable, Sendable, ExpressibleByArrayLiteral {
    /// Further columns are not read. No statement of the library has as many.
    static let maximumCount = UInt64.bitWidth

    private var bits: UInt64 = 0
    private(set) var count = 0

    init(arrayLiteral values: Bool...) {
        self.init(values)
    }

    /// - Parameter values: What goes beyond ``maximumCount`` is left out.
    init(_ values: some Sequence<Bool>) {
        for value in values.prefix(Self.maximumCount) { append(value) }
    }

    mutating func append(_ value: Bool) {
        if value { bits |= 1 << count }
        count += 1
    }

    subscript(index: Int) -> Bool { bits >> index & 1 == 1 }

    func append(to values: inout [Bool]) {
        for index in 0..<count { values.append(self[index]) }
    }
}
