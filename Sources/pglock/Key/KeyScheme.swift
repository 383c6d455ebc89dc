import ArgumentParser
import Foundation
import PostgresLock

/// A library's scheme for keys of names.
enum KeyScheme: String, CaseIterable, ExpressibleByArgument {
    case postgresqlLock = "postgresql-lock"
    case distributedLock = "distributed-lock"
    case sqlx
    case withAdvisoryLock = "with-advisory-lock"
    case djangoPglock = "django-pglock"
    case djangoPglocks = "django-pglocks"
    case symfonyLock = "symfony-lock"
    case golangMigrate = "golang-migrate"
    case rails
    case goose

    /// The library, and the form of its names.
    var summary: String {
        switch self {
        case .postgresqlLock: "Python's postgresql-lock, and this library's own names"
        case .distributedLock: ".NET's DistributedLock, with allowHashing"
        case .sqlx: "Rust's sqlx (PgAdvisoryLock::new)"
        case .withAdvisoryLock: "Ruby's with_advisory_lock, without a prefix: a pair"
        case .djangoPglock: "Python's django-pglock"
        case .djangoPglocks: "Python's django-pglocks"
        case .symfonyLock: "PHP's Symfony Lock (PostgreSqlStore)"
        case .golangMigrate: "golang-migrate: DATABASE, or SCHEMA,TABLE,DATABASE"
        case .rails: "migrations of Ruby on Rails: DATABASE"
        case .goose: "Go's goose, which has one key, whatever the name"
        }
    }

    func key(_ name: String) throws -> LockKey {
        switch self {
        case .postgresqlLock: return .postgresqlLock(name)
        case .distributedLock: return try .distributedLock(name, allowHashing: true)
        case .sqlx: return .sqlx(name)
        case .withAdvisoryLock: return .withAdvisoryLock(name)
        case .djangoPglock: return .djangoPglock(name)
        case .djangoPglocks: return .djangoPglocks(name)
        case .symfonyLock: return .symfonyLock(name)
        case .golangMigrate:
            let parts = name.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            switch parts.count {
            case 1: return .golangMigrate(database: name)
            case 3: return .golangMigrate(database: parts[2], schema: parts[0], table: parts[1])
            default: throw ValidationError("“\(name)” is neither a database nor SCHEMA,TABLE,DATABASE.")
            }
        case .rails: return .railsMigrations(database: name)
        case .goose: return .goose
        }
    }

    /// The schemes, for the help.
    static var list: String {
        let width = allCases.map(\.rawValue.count).max() ?? 0
        return allCases.map { scheme in
            "  \(scheme.rawValue.padding(toLength: width, withPad: " ", startingAt: 0))  \(scheme.summary)"
        }.joined(separator: "\n")
    }
}
