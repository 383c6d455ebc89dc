import ChildProcesses
import FaultTools
import Foundation
import PostgresLock
import PostgresLockTesting
import Testing

/// A Python process that takes locks by `postgresql-lock`, with one of the drivers that it supports.
actor Peer {
    enum Driver: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case asyncpg
        case psycopg2
        case psycopg3
        case psycopg3Async = "psycopg3-async"
        case sqlalchemy2Psycopg2 = "sqlalchemy2:sqlalchemy-psycopg2"
        case sqlalchemy2Psycopg3 = "sqlalchemy2:sqlalchemy-psycopg3"
        case sqlalchemy2Asyncpg = "sqlalchemy2:sqlalchemy-asyncpg"
        case sqlalchemy14Psycopg2 = "sqlalchemy14:sqlalchemy-psycopg2"

        var testDescription: String { rawValue }

        /// The Python environment of the driver, and the driver's name in it.
        fileprivate var place: (environment: String, name: String) {
            let parts = rawValue.split(separator: ":").map(String.init)
            return (parts.count == 2 ? parts[0] : "sqlalchemy2", parts[parts.count - 1])
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../..").standardizedFileURL
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("peer.py")

    private let process: ChildProcess
    private let lines: LineReader
    /// The driver and its version, for people.
    let versions: String

    init(_ driver: Driver, _ database: TestDatabase) async throws {
        let python = Self.repository.appendingPathComponent(".build/peers/\(driver.place.environment)/bin/python").path
        try #require(
            FileManager.default.isExecutableFile(atPath: python),
            "Python's postgresql-lock is missing: .ci/install-dependencies tests"
        )
        process = try .conversation(
            python,
            [Self.script.path, driver.place.name, database.server.socketDirectory, "\(database.server.port)", database.name]
        )
        lines = LineReader(process.lines)
        guard let greeting = await lines.next(), greeting.hasPrefix("ready ") else {
            throw Failure(description: "The peer did not start: \(await Self.rest(of: lines))")
        }
        versions = String(greeting.dropFirst("ready ".count))
    }

    private static func rest(of lines: LineReader) async -> String {
        var rest: [String] = []
        while let line = await lines.next() { rest.append(line) }
        return rest.suffix(3).joined(separator: "\n")
    }

    /// - Returns: Whether the lock was acquired.
    func acquire(_ key: String, _ mode: LockMode, _ scope: LockScope, isBlocking: Bool) async throws -> Bool {
        try await command("acquire \(key) \(mode) \(scope) \(isBlocking)")
    }

    /// Ends the scope of a lock that was acquired.
    func end(_ key: String, _ mode: LockMode, _ scope: LockScope) async throws {
        let isReleased = try await command(scope == .session ? "release \(key) \(mode)" : "commit")
        guard isReleased else { throw Failure(description: "The peer did not hold \(key).") }
    }

    /// Increments the number in the table `counter` so often, each time under the lock.
    func count(_ key: String, _ scope: LockScope, rounds: Int) async throws {
        _ = try await command("count \(key) \(scope) \(rounds)")
    }

    /// Requests are sent one after the other: the next one after the answer to the one before.
    private func command(_ line: String) async throws -> Bool {
        process.write(line)
        switch await lines.next() {
        case "true"?: return true
        case "false"?: return false
        case let answer: throw Failure(description: "“\(line)”: \(answer ?? "the peer has ended")")
        }
    }
}
