/// The table that remembers when jobs have run: see ``LockManager/runOnce(_:every:counting:guarantee:isolation:_:)``.
///
/// It has one row for each job. ``LockManager/createRunTable()`` makes it, or `pglock schema | psql`; nothing else does.
public struct RunTable: Hashable, Sendable {
    /// The schema, which is always named, so that no other table takes this one's place.
    public let schema: String
    /// The table's name in the schema.
    public let name: String

    /// - Parameters:
    ///   - schema: An existing schema. Upper and lower case count.
    ///   - name: A name in it. Upper and lower case count.
    public init(schema: String = "public", name: String = "pglock_runs") {
        self.schema = schema
        self.name = name
    }

    /// The statements that make the table, for an administrator, a migration, or `psql`. Where it exists, they change nothing.
    ///
    /// Roles that run jobs need the rights `SELECT`, `INSERT` and `UPDATE`; with `DELETE`, too, they remove old rows.
    public var definition: String {
        """
        BEGIN;
        \(creation.joined(separator: ";\n"));
        COMMIT;

        """
    }

    /// Two sessions that create one table at the same time fail, also with `IF NOT EXISTS`: hence the lock.
    var creation: [String] {
        [
            "SELECT pg_catalog.pg_advisory_xact_lock(\(LockKey("pglock:create:\(quoted)").number ?? 0))",
            """
            CREATE TABLE IF NOT EXISTS \(quoted) (
                name pg_catalog.text PRIMARY KEY,
                interval_start pg_catalog.timestamptz NOT NULL,
                run pg_catalog.int8 NOT NULL,
                state pg_catalog.text NOT NULL,
                claimed_at pg_catalog.timestamptz NOT NULL,
                claimed_by pg_catalog.text NOT NULL,
                claim_id pg_catalog.uuid NOT NULL,
                finished_at pg_catalog.timestamptz,
                every pg_catalog.interval NOT NULL
            )
            """,
        ]
    }

    /// As SQL.
    var quoted: String { "\(Self.quote(schema)).\(Self.quote(name))" }

    private static func quote(_ identifier: String) -> String {
        "\"\(identifier.replacing("\"", with: "\"\""))\""
    }

    func validate() throws {
        for (what, identifier) in [("schema", schema), ("name", name)] where identifier.isEmpty || identifier.utf8.contains(0) {
            throw LockError(
                .badConfiguration,
                "runTable.\(what) is empty, or has a zero byte (U+0000) in it. Use names that PostgreSQL takes."
            )
        }
    }
}

extension RunTable: LosslessStringConvertible {
    /// Reads `schema.name`, or a name in the schema `public`; `nil` for anything else. Quotation marks are part of a name.
    public init?(_ description: String) {
        let parts = description.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, !parts.contains("") else { return nil }
        self.init(schema: parts.count == 2 ? parts[0] : "public", name: parts[parts.count - 1])
    }

    /// `schema.name`.
    public var description: String { "\(schema).\(name)" }
}
