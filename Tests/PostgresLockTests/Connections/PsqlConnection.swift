import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import Testing

@testable import PostgresLockTesting

/// A driver that has nothing in common with ours: a `psql` that is told what to run.
final class PsqlConnection: LockConnection {
    struct Failure: Error {
        let sqlState: String?
        let text: String
    }

    private static let marker = "-- that was all --"

    private let process: ChildProcess
    private let lines: LineReader
    private let cancelling: (@Sendable () async -> Void)?
    /// The SQLSTATEs of the warnings so far.
    private(set) var warnings: [String] = []

    /// - Parameter cancelling: Whether the connection has its statements cancelled, by another one.
    init(_ database: TestDatabase, cancelling isCancelling: Bool = false) async throws {
        let psql = try #require(database.server.psql)
        process = try .conversation(
            psql,
            ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=VERBOSITY=sqlstate", "--dbname=\(database.url)"]
        )
        lines = LineReader(process.lines)
        let pid = try await Self.run("SELECT pg_backend_pid()", on: process, lines).first
        if isCancelling {
            let cancel = "SELECT pg_cancel_backend(\(try #require(pid)))"
            cancelling = { _ = try? await database.query(cancel) }
        } else {
            cancelling = nil
        }
    }

    var cancelRequestSender: (@Sendable () async -> Void)? { cancelling }

    func sqlState(of error: any Error) -> String? {
        (error as? Failure)?.sqlState
    }

    nonisolated(nonsending) func queryBoolean(_ sql: String) async throws -> Bool? {
        switch try await query(sql).first {
        case "t"?: true
        case "f"?: false
        default: nil
        }
    }

    /// The rows, one by line.
    @discardableResult
    nonisolated(nonsending) func query(_ sql: String) async throws -> [String] {
        var answer = try await Self.run(sql, on: process, lines)
        warnings += answer.compactMap { Self.sqlState(in: $0, after: "WARNING:") }
        answer.removeAll { $0.hasPrefix("WARNING:") }
        if let error = answer.first(where: { $0.hasPrefix("ERROR:") || $0.hasPrefix("FATAL:") }) {
            throw Failure(sqlState: Self.sqlState(in: error, after: "ERROR:"), text: error)
        }
        return answer
    }

    private static func sqlState(in line: String, after severity: String) -> String? {
        guard line.hasPrefix(severity) else { return nil }
        return line.dropFirst(severity.count).trimmingCharacters(in: .whitespaces)
    }

    nonisolated(nonsending) private static func run(
        _ sql: String,
        on process: ChildProcess,
        _ lines: LineReader
    ) async throws -> [String] {
        process.write("\(sql);\n\\warn \(marker)")
        var answer: [String] = []
        while let line = await lines.next() {
            guard line != marker else { return answer }
            answer.append(line)
        }
        throw Failure(sqlState: nil, text: "psql has ended: \(answer.joined(separator: " "))")
    }
}
