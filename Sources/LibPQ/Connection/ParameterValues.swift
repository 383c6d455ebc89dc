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
        guard !isEmpty else { return body(ParameterValues(count: 0, pointers: nil, lengths: nil, formats: nil)) }
        return withUnsafeBufferPointer { parameters in
            // One piece of memory for the pointers, the lengths, the formats and the bytes. Text needs a terminating zero, which does no harm
            // to binary values.
            var size = count * (MemoryLayout<UnsafePointer<CChar>?>.stride + 2 * MemoryLayout<Int32>.stride)
            for index in parameters.indices { size += parameters[index].byteCount + 1 }
            return withUnsafeTemporaryAllocation(byteCount: size, alignment: MemoryLayout<UnsafePointer<CChar>?>.alignment) { memory in
                let values = Self.write(parameters, to: memory)
                return body(values)
            }
        }
    }

    private static func write(
        _ parameters: UnsafeBufferPointer<Statement.Parameter>,
        to memory: UnsafeMutableRawBufferPointer
    ) -> ParameterValues {
        // There is memory for at least one parameter.
        guard let base = memory.baseAddress else { preconditionFailure("There is no memory for the parameters.") }
        let count = parameters.count
        let pointers = base.bindMemory(to: UnsafePointer<CChar>?.self, capacity: count)
        let lengths = UnsafeMutableRawPointer(pointers + count).bindMemory(to: Int32.self, capacity: 2 * count)
        var next = UnsafeMutableRawPointer(lengths + 2 * count).bindMemory(to: CChar.self, capacity: memory.count)
        for index in 0..<count {
            let byteCount = parameters[index].byteCount
            parameters[index].store(to: next)
            next[byteCount] = 0
            (pointers + index).initialize(to: parameters[index].isNull ? nil : UnsafePointer(next))
            (lengths + index).initialize(to: Int32(byteCount))
            (lengths + count + index).initialize(to: parameters[index].isBinary ? 1 : 0)
            next += byteCount + 1
        }
        return ParameterValues(count: Int32(count), pointers: pointers, lengths: lengths, formats: lengths + count)
    }
}
