import Foundation

extension EphemeralPostgres {
    /// A connection string of libpq's keywords and values: `host='/tmp/pglock-a1b2c3' port='5432' …`.
    ///
    /// - Parameters:
    ///   - database: The database.
    ///   - user: The user. A user other than `postgres` has to be created first.
    ///   - overTCP: Whether to connect over TCP, which the server allows only with ``Options/listensOnTCP``. Such a
    ///     string for the user `postgres` holds the password of ``Options/password``: don't print it.
    /// - Returns: The string, properly quoted.
    public func connectionString(
        database: String = "postgres",
        user: String = "postgres",
        overTCP: Bool = false
    ) -> String {
        var parameters = [
            ("host", overTCP ? "127.0.0.1" : socketDirectory), ("port", "\(port)"), ("dbname", database), ("user", user),
        ]
        if overTCP, user == "postgres", let password { parameters.append(("password", password.value)) }
        return parameters.map { "\($0.0)=\(Self.quote($0.1))" }.joined(separator: " ")
    }

    /// A connection URL: `postgresql://postgres@/postgres?host=%2Ftmp%2Fpglock-a1b2c3&port=5432`.
    ///
    /// For clients that don't support the form of ``connectionString(database:user:overTCP:)``.
    ///
    /// - Parameters:
    ///   - database: The database.
    ///   - user: The user. A user other than `postgres` has to be created first.
    ///   - overTCP: Whether to connect over TCP, which the server allows only with ``Options/listensOnTCP``. Such a
    ///     URL for the user `postgres` holds the password of ``Options/password``: don't print it.
    /// - Returns: The URL, properly escaped.
    public func connectionURL(
        database: String = "postgres",
        user: String = "postgres",
        overTCP: Bool = false
    ) -> String {
        let name = Self.escape(database)
        guard overTCP else {
            return "postgresql://\(Self.escape(user))@/\(name)?host=\(Self.escape(socketDirectory))&port=\(port)"
        }
        let secret = user == "postgres" ? password.map { ":\(Self.escape($0.value))" } ?? "" : ""
        return "postgresql://\(Self.escape(user))\(secret)@127.0.0.1:\(port)/\(name)"
    }

    private static func quote(_ value: String) -> String {
        "'\(value.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "'", with: "\\'"))'"
    }

    private static func escape(_ value: String) -> String {
        let unreserved = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return value.addingPercentEncoding(withAllowedCharacters: unreserved) ?? value
    }
}
