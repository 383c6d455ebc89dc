/// One SQL statement with its parameters, and the form of its results.
package struct Statement: Sendable {
    package enum Shape: Hashable, Sendable {
        /// Rows of at most 64 Booleans, one by one, so that the rows before an error are known. A NULL ends a row.
        case booleans
        /// At most one row of at most 64 Booleans. If the statement fails, there is none. This takes less time than ``booleans``.
        case booleanRow
        /// No rows, but a message with the outcome: see ``WaitOutcome``.
        ///
        /// With `grantLasts`, what is granted is kept whatever becomes of the rest of the statement. So the message answers it, if the rest has
        /// not come yet, and the rest has no meaning.
        case waitOutcome(grantLasts: Bool)
        /// All rows, in text format.
        case rows
    }

    /// A parameter's value in PostgreSQL's own representation.
    package struct Parameter: Hashable, Sendable {
        /// Integers are apart, since the key of a lock is one: they allocate nothing.
        enum Value: Hashable, Sendable {
            case null
            case int4(Int32)
            case int8(Int64)
            case bytes([UInt8])
        }

        /// The type's object identifier; 0 lets the server infer it.
        package let type: UInt32
        let value: Value
        package let isBinary: Bool

        /// - Parameter bytes: `nil` is NULL.
        package init(type: UInt32, bytes: [UInt8]?, isBinary: Bool) {
            self.init(type: type, bytes.map(Value.bytes) ?? .null, isBinary: isBinary)
        }

        fileprivate init(type: UInt32, _ value: Value, isBinary: Bool = true) {
            self.type = type
            self.value = value
            self.isBinary = isBinary
        }
    }

    /// What all statements with the same SQL have in common. It is shared, so that a statement of the hot path is made, and copied, without
    /// copies of its strings.
    package final class Template: Sendable {
        /// `nil` prepares nothing.
        package let name: StatementName?
        package let sql: String
        package let shape: Shape

        package init(name: StatementName? = nil, _ sql: String, shape: Shape) {
            self.name = name
            self.sql = sql
            self.shape = shape
        }
    }

    /// The values of its parameters. Those of a key, which are sent most often, take no memory of their own.
    package enum Values: Sendable {
        case int8(Int64)
        case int4Pair(Int32, Int32)
        case list([Parameter])

        package var parameters: [Parameter] {
            switch self {
            case .int8(let number): [.int8(number)]
            case .int4Pair(let first, let second): [.int4(first), .int4(second)]
            case .list(let parameters): parameters
            }
        }
    }

    private let template: Template
    let values: Values

    package init(_ template: Template, _ values: Values) {
        self.template = template
        self.values = values
    }

    package init(name: StatementName? = nil, _ sql: String, parameters: [Parameter] = [], shape: Shape) {
        self.init(Template(name: name, sql, shape: shape), .list(parameters))
    }

    package var name: StatementName? { template.name }
    package var sql: String { template.sql }
    package var shape: Shape { template.shape }

    package var parameters: [Parameter] { values.parameters }
}

extension Statement.Parameter {
    package static func int4(_ value: Int32) -> Self { Self(type: 23, .int4(value)) }

    package static func int8(_ value: Int64) -> Self { Self(type: 20, .int8(value)) }

    /// Microseconds since 2000-01-01, as `timestamptz_send` writes them.
    package static func timestamptz(_ microseconds: Int64) -> Self { Self(type: 1184, .int8(microseconds)) }

    package static func int8Array(_ values: [Int64]) -> Self { Self(type: 1016, .bytes(arrayBytes(of: values, elementType: 20))) }

    package static func timestamptzArray(_ values: [Int64]) -> Self { Self(type: 1185, .bytes(arrayBytes(of: values, elementType: 1184))) }

    package static func int4Array(_ values: [Int32]) -> Self { Self(type: 1007, .bytes(arrayBytes(of: values, elementType: 23))) }

    /// The representation of `array_recv` in PostgreSQL's `arrayfuncs.c`: dimensions, null flag, element type, then per
    /// dimension its length and lower bound, then per element its length and bytes.
    private static func arrayBytes<Element: FixedWidthInteger>(of values: [Element], elementType: Int32) -> [UInt8] {
        let size = MemoryLayout<Element>.size
        let count = 20 + values.count * (4 + size)
        return [UInt8](unsafeUninitializedCapacity: count) { bytes, initializedCount in
            let bytes = UnsafeMutableRawBufferPointer(bytes)
            var offset = 0
            for header in [1, 0, elementType, Int32(values.count), 1] {
                bytes.storeBytes(of: header.bigEndian, toByteOffset: offset, as: Int32.self)
                offset += 4
            }
            let prefix = Int32(size).bigEndian
            for value in values {
                bytes.storeBytes(of: prefix, toByteOffset: offset, as: Int32.self)
                bytes.storeBytes(of: value.bigEndian, toByteOffset: offset + 4, as: Element.self)
                offset += 4 + size
            }
            initializedCount = offset
        }
    }

    /// How many bytes it has; 0 if it is NULL.
    var byteCount: Int {
        switch value {
        case .null: 0
        case .int4: 4
        case .int8: 8
        case .bytes(let bytes): bytes.count
        }
    }

    var isNull: Bool { if case .null = value { true } else { false } }

    /// Writes its bytes, for which there is room.
    func store(to memory: UnsafeMutableRawPointer) {
        switch value {
        case .null: break
        case .int4(let number): memory.storeBytes(of: number.bigEndian, as: Int32.self)
        case .int8(let number): memory.storeBytes(of: number.bigEndian, as: Int64.self)
        case .bytes(let bytes):
            bytes.withUnsafeBytes { if let address = $0.baseAddress { memory.copyMemory(from: address, byteCount: $0.count) } }
        }
    }
}
