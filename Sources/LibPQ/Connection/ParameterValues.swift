import CLibPQ

/// A statement's parameters in the form of libpq's C functions. Valid only inside the closure that gets them.
struct ParameterValues {
    let count: Int32
    let types: [Oid]
    let pointers: [UnsafePointer<CChar>?]
    let lengths: [Int32]
    let formats: [Int32]
}

extension [Statement.Parameter] {
    func withUnsafeValues<Result>(_ body: (ParameterValues) -> Result) -> Result {
        // One buffer for all. Text needs a terminating zero, which does no harm to binary values.
        var buffer: [CChar] = []
        var offsets: [Int?] = []
        buffer.reserveCapacity(reduce(0) { $0 + ($1.bytes?.count ?? 0) + 1 })
        for parameter in self {
            guard let bytes = parameter.bytes else {
                offsets.append(nil)
                continue
            }
            offsets.append(buffer.count)
            bytes.withUnsafeBytes { buffer.append(contentsOf: $0.bindMemory(to: CChar.self)) }
            buffer.append(0)
        }
        return buffer.withUnsafeBufferPointer { bytes in
            body(
                ParameterValues(
                    count: Int32(count),
                    types: map(\.type),
                    pointers: offsets.map { offset in offset.flatMap { bytes.baseAddress?.advanced(by: $0) } },
                    lengths: map { Int32($0.bytes?.count ?? 0) },
                    formats: map { $0.isBinary ? 1 : 0 }
                )
            )
        }
    }
}
