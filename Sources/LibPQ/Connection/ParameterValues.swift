import CLibPQ

/// A statement's parameters in the form of libpq's C functions. Valid only inside the closure that gets them.
struct ParameterValues {
    let count: Int32
    let pointers: UnsafePointer<UnsafePointer<CChar>?>?
    let lengths: UnsafePointer<Int32>?
    let formats: UnsafePointer<Int32>?
}

extension Statement.Values {
    /// Most statements have one or two parameters, and are sent often: so everything is put on the stack.
    func withUnsafeValues<Result>(_ body: (ParameterValues) -> Result) -> Result {
        switch self {
        case .int8(let number): Self.withUnsafeIntegers(number, number, count: 1, body)
        case .int4Pair(let first, let second): Self.withUnsafeIntegers(first, second, count: 2, body)
        case .list(let parameters): parameters.withUnsafeValues(body)
        }
    }

    /// The memory is that of two tuples, which live as long as `body` runs. libpq reads it as bytes, pointers and numbers, and writes nothing.
    ///
    /// - Parameter count: How many of the two are parameters.
    @inline(__always)
    private static func withUnsafeIntegers<Integer: FixedWidthInteger, Result>(
        _ first: Integer,
        _ second: Integer,
        count: Int32,
        _ body: (ParameterValues) -> Result
    ) -> Result {
        let size = Int32(MemoryLayout<Integer>.size)
        return withUnsafePointer(to: (first.bigEndian, second.bigEndian)) { integers in
            let bytes = UnsafeRawPointer(integers).assumingMemoryBound(to: CChar.self)
            return withUnsafePointer(to: (bytes, bytes + Int(size), size, size, Int32(1), Int32(1))) { values in
                let pointers = UnsafeRawPointer(values)
                let lengths = (pointers + 2 * MemoryLayout<UnsafePointer<CChar>?>.size).assumingMemoryBound(to: Int32.self)
                return body(
                    ParameterValues(
                        count: count,
                        pointers: pointers.assumingMemoryBound(to: UnsafePointer<CChar>?.self),
                        lengths: lengths,
                        formats: lengths + 2
                    )
                )
            }
        }
    }
}

extension [Statement.Parameter] {
    fileprivate func withUnsafeValues<Result>(_ body: (ParameterValues) -> Result) -> Result {
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
