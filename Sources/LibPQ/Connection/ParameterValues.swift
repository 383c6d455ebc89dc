import CLibPQ

/// A statement's parameters in the form of libpq's C functions. Valid only inside the closure that gets them.
struct ParameterValues {
    let count: Int32
    let pointers: UnsafePointer<UnsafePointer<CChar>?>?
    let lengths: UnsafePointer<Int32>?
    let formats: UnsafePointer<Int32>?
}

extension [Statement.Parameter] {
    /// Most statements have one or two parameters, and are sent often: so everything is put on the stack.
    func withUnsafeValues<Result>(_ body: (ParameterValues) -> Result) -> Result {
        // One buffer for all. Text needs a terminating zero, which does no harm to binary values.
        let size = reduce(0) { $0 + ($1.bytes?.count ?? 0) + 1 }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer in
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: count) { pointers in
                withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * count) { numbers in
                    var next = buffer.startIndex
                    for (index, parameter) in enumerated() {
                        let begin = next
                        if let bytes = parameter.bytes {
                            bytes.withUnsafeBytes { next = buffer[next...].initialize(fromContentsOf: $0.bindMemory(to: CChar.self)) }
                            buffer.initializeElement(at: next, to: 0)
                            next += 1
                        }
                        pointers.initializeElement(at: index, to: next > begin ? buffer.baseAddress.map { UnsafePointer($0 + begin) } : nil)
                        numbers.initializeElement(at: index, to: Int32(parameter.bytes?.count ?? 0))
                        numbers.initializeElement(at: count + index, to: parameter.isBinary ? 1 : 0)
                    }
                    let lengths = numbers.baseAddress.map { UnsafePointer($0) }
                    return body(
                        ParameterValues(
                            count: Int32(count),
                            pointers: pointers.baseAddress.map { UnsafePointer($0) },
                            lengths: lengths,
                            formats: lengths.map { $0 + count }
                        )
                    )
                }
            }
        }
    }
}
