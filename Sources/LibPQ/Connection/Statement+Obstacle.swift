import CLibPQ

extension Statement {
    /// Why a statement can't be sent. libpq would truncate it without an error, or close the connection.
    package enum Obstacle: Error, Hashable, Sendable {
        /// libpq takes SQL as a C string, which ends at its first zero byte.
        case zeroInSQL
        /// The same for a parameter in text format; counted from 1.
        case zeroInParameter(Int)
        /// There are so many parameters. The protocol counts them in 16 bits.
        case tooManyParameters(Int)
        /// The statement has so many bytes, more than the server takes in one message.
        case tooLong(Int)
    }

    package static let maximumParameterCount = 65_535
    /// The most bytes of the SQL, and of all parameters together: PostgreSQL's `PQ_LARGE_MESSAGE_LIMIT`, less the rest of the messages.
    package static let maximumLength = 0x3fff_fffe - 1024

    /// Why a statement can't be sent; `nil` if it can.
    package static func obstacle(_ sql: String, _ parameters: some Collection<Parameter>) -> Obstacle? {
        guard !sql.utf8.contains(0) else { return .zeroInSQL }
        guard parameters.count <= maximumParameterCount else { return .tooManyParameters(parameters.count) }
        // Each has a type beside the SQL, and a format and a length beside the value.
        var (sqlLength, length) = (sql.utf8.count, 0)
        for (number, parameter) in parameters.enumerated() {
            sqlLength += 4
            length += 6
            length += parameter.byteCount
            if !parameter.isBinary, case .bytes(let bytes) = parameter.value, bytes.hasZero { return .zeroInParameter(number + 1) }
        }
        let longest = max(sqlLength, length)
        return longest > maximumLength ? .tooLong(longest) : nil
    }
}

extension [UInt8] {
    /// By `memchr`, since there may be many bytes, and the event loop waits.
    fileprivate var hasZero: Bool {
        withUnsafeBytes { bytes in bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false }
    }
}
