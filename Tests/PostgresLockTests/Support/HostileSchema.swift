/// A schema before `pg_catalog` in a role's search path that has every operator, function, type and relation of PostgreSQL's own catalog, by the same
/// name and for the same types. Using one of them is an error that says `hostile`.
struct HostileSchema {
    let role: String

    /// - Parameter database: The database in which it is created.
    init(in database: TestDatabase) async throws {
        role = "hostile_\(UInt32.random(in: .min ... .max))"
        try await database.query(Self.script)
        try await database.query("CREATE ROLE \(role) LOGIN; ALTER ROLE \(role) SET search_path = evil, pg_catalog")
        let made = try await database.query(
            """
            SELECT (SELECT count(*) FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace) > 700,
                (SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace) > 2500,
                (SELECT count(*) FROM pg_type WHERE typnamespace = 'evil'::regnamespace AND typtype = 'd') > 40,
                (SELECT count(*) FROM pg_class WHERE relnamespace = 'evil'::regnamespace) > 100
            """
        )
        guard made == [["t", "t", "t", "t"]] else { throw Incomplete(made: made) }
    }

    struct Incomplete: Error {
        let made: [[String?]]
    }

    /// Objects that can't be copied (mostly those with pseudo-types) are left out.
    private static let script = """
        SET check_function_bodies = off;
        SET client_min_messages = error;
        CREATE SCHEMA evil;
        GRANT USAGE ON SCHEMA evil TO PUBLIC;
        CREATE FUNCTION public.hostile(what text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
            $f$ BEGIN RAISE EXCEPTION 'hostile %', what; END $f$;
        DO $do$
        DECLARE
            o record;
            body text := 'LANGUAGE plpgsql AS $f$ BEGIN PERFORM public.hostile(%L); RETURN NULL; END $f$';
        BEGIN
            FOR o IN
                SELECT p.proname AS name, p.oid::regprocedure::text AS signature, oidvectortypes(p.proargtypes) AS arguments,
                    CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL) AS result
                FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
            LOOP
                BEGIN
                    EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s ' || body, o.name, o.arguments, o.result, o.signature);
                EXCEPTION WHEN OTHERS THEN
                END;
            END LOOP;
            FOR o IN
                SELECT oprname AS name, oid, oid::regoperator::text AS signature,
                    NULLIF(oprleft, 0)::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
                FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
            LOOP
                BEGIN
                    EXECUTE format(
                        'CREATE FUNCTION evil.operator_%s(%s) RETURNS %s ' || body,
                        o.oid, concat_ws(', ', o.l, o.r), o.result, o.signature
                    );
                    EXECUTE format(
                        'CREATE OPERATOR evil.%s (FUNCTION = evil.operator_%s, %s RIGHTARG = %s)',
                        o.name, o.oid, 'LEFTARG = ' || o.l || ',', o.r
                    );
                EXCEPTION WHEN OTHERS THEN
                END;
            END LOOP;
            FOR o IN SELECT typname AS name FROM pg_type
                WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^_'
            LOOP
                BEGIN
                    EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (public.hostile(%L))', o.name, o.name, 'type ' || o.name);
                EXCEPTION WHEN OTHERS THEN
                END;
            END LOOP;
            FOR o IN SELECT relname AS name FROM pg_class
                WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
            LOOP
                BEGIN
                    EXECUTE format('CREATE VIEW evil.%I AS SELECT * FROM pg_catalog.%I WHERE public.hostile(%L)', o.name, o.name, o.name);
                EXCEPTION WHEN OTHERS THEN
                END;
            END LOOP;
        END $do$;
        CREATE AGGREGATE evil.count(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0', FINALFUNC = evil.abs);
        CREATE AGGREGATE evil.count("any") (SFUNC = int8inc_any, STYPE = int8, INITCOND = '0', FINALFUNC = evil.abs);
        CREATE AGGREGATE evil.sum(int8) (SFUNC = int8pl, STYPE = int8, INITCOND = '0', FINALFUNC = evil.abs);
        GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC
        """
}
