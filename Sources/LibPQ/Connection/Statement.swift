/// One SQL statement with its parameters, and the form of its results.
package struct Statement: Sendable {
    package enum Shape: Hashable, Sendable {
        /// Rows of at most 64 Booleans, one by one, so that the rows before an error are known. A NULL ends a row.
        case booleans
        /// No rows, but a message with the outcome: see ``WaitOutcome``.
        case waitOutcome
        /// All rows, in text format.
        case rows
    }

    /// A parameter's value in PostgreSQL's own representation.
    package struct Parameter: Hashable, Sendable {
        /// The type's object identifier; 0 lets the server infer it.
        package let type: UInt32
        /// `nil` is NULL.
        package let bytes: [UInt8]?
        package let isBinary: Bool

        package init(type: UInt32, bytes: [UInt8]?, isBinary: Bool) {
            self.type = type
            self.bytes = bytes
            self.isBinary = isBinary
        }
    }

    /// The name under which it is prepared at its first use on a connection; `nil` prepares nothing.
    package let name: String?
    package let sql: String
    package var parameters: [Parameter]
    package let shape: Shape

    package init(name: String? = nil, _ sql: String, parameters: [Parameter] = [], shape: Shape) {
        self.name = name
        self.sql = sql
        self.parameters = parameters
        self.shape = shape
    }
}

extension Statement.Parameter {
    package static func int4(_ value: Int32) -> Self {
        Self(type: 23, bytes: value.bigEndianBytes, isBinary: true)
    }

    package static func int8(_ value: Int64) -> Self {
        Self(type: 20, bytes: value.bigEndianBytes, isBinary: true)
    }

    /// Microseconds since 2000-01-01, as `timestamptz_send` writes them.
    package static func timestamptz(_ microseconds: Int64) -> Self {
        Self(type: 1184, bytes: microseconds.bigEndianBytes, isBinary: true)
    }

    package static func int8Array(_ values: some Collection<Int64>) -> Self {
        Self(type: 1016, bytes: arrayBytes(of: values, elementType: 20), isBinary: true)
    }

    package static func timestamptzArray(_ values: some Collection<Int64>) -> Self {
        Self(type: 1185, bytes: arrayBytes(of: values, elementType: 1184), isBinary: true)
    }

    package static func int4Array(_ values: some Collection<Int32>) -> Self {
        Self(type: 1007, bytes: arrayBytes(of: values, elementType: 23), isBinary: true)
    }

    /// The representation of `array_recv` in PostgreSQL's `arrayfuncs.c`: dimensions, null flag, element type, then per
    /// dimension its length and lower bound, then per element its length and bytes.
    private static func arrayBytes<Element: FixedWidthInteger>(
        of values: some Collection<Element>,
        elementType: Int32
    ) -> [UInt8] {
        let size = Element.bitWidth / 8
        let count = 20 + values.count * (4 + size)
        return [UInt8](unsafeUninitializedCapacity: count) { bytes, initializedCount in
            var offset = 0
            func store<Value: FixedWidthInteger>(_ value: Value) {
                UnsafeMutableRawBufferPointer(bytes).storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
                offset += MemoryLayout<Value>.size
            }
            for header in [1, 0, elementType, Int32(values.count), 1] { store(header) }
            for value in values {
                store(Int32(size))
                store(value)
            }
            initializedCount = offset
        }
    }
}

extension FixedWidthInteger {
    var bigEndianBytes: [UInt8] {
        withUnsafeBytes(of: bigEndian) { Array($0) }
    }
}
