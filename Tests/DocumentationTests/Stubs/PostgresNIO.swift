// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
// The declarations of PostgresNIO that the documentation uses. This package does not depend on PostgresNIO.

import Logging

public final class PostgresConnection: Sendable {
    public let logger: Logger

    init(logger: Logger) { self.logger = logger }

    @discardableResult
    public func query(_ query: PostgresQuery, logger: Logger, file: String = #fileID, line: Int = #line) async throws -> PostgresRowSequence
    {
        PostgresRowSequence()
    }

    public func close() async throws {}
}

public final class PostgresClient: Sendable {
    init() {}

    @discardableResult
    public func query(
        _ query: PostgresQuery,
        logger: Logger? = nil,
        file: String = #fileID,
        line: Int = #line
    ) async throws -> PostgresRowSequence {
        PostgresRowSequence()
    }

    public func withTransaction<Result>(
        logger: Logger,
        file: String = #file,
        line: Int = #line,
        isolation: isolated (any Actor)? = #isolation,
        _ process: (PostgresConnection) async throws -> sending Result
    ) async throws -> sending Result {
        try await process(PostgresConnection(logger: logger))
    }
}

public struct PostgresQuery: ExpressibleByStringInterpolation, Sendable {
    public init(unsafeSQL: String) {}
    public init(stringLiteral value: String) {}
    public init(stringInterpolation: StringInterpolation) {}

    public struct StringInterpolation: StringInterpolationProtocol {
        public init(literalCapacity: Int, interpolationCount: Int) {}
        public mutating func appendLiteral(_ literal: String) {}
        public mutating func appendInterpolation(_ value: some PostgresEncodable) {}
    }
}

public protocol PostgresEncodable {}
public protocol PostgresDecodable: SendableMetatype {}

extension Int32: PostgresEncodable, PostgresDecodable {}
extension Bool: PostgresDecodable {}
extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {}

public struct PostgresRowSequence: AsyncSequence, Sendable {
    public struct AsyncIterator: AsyncIteratorProtocol {
        public mutating func next() async throws -> Int? { nil }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }

    public func decode<Column: PostgresDecodable>(
        _ type: Column.Type,
        file: String = #fileID,
        line: Int = #line
    ) -> AsyncThrowingMapSequence<PostgresRowSequence, Column> {
        map { _ -> Column in throw PSQLError() }
    }
}

public struct PSQLError: Error {
    public struct ServerInfo: Sendable {
        public struct Field: Hashable, Sendable {
            public static let sqlState = Field()
        }

        public subscript(field: Field) -> String? { nil }
    }

    public var serverInfo: ServerInfo? { nil }
}
