import Foundation
import LibPQ

/// Whether a lock stays with the connection that has taken it, and goes with it.
struct PoolingExamination {
    private let patient: Patient

    init(_ patient: Patient) {
        self.patient = patient
    }

    func finding() throws(ConnectionFailure) -> Finding {
        let check = PoolingCheck(patient.session, try patient.another().session)
        try check.run()
        guard try check.isPooled else { return Finding(.pooling, .ok, "none: this is the server itself") }
        guard try isReset() else {
            return Finding(
                .pooling,
                .failed,
                "There is a pooler of sessions that keeps the locks of clients that have gone.",
                advice: "Let it reset sessions between clients (pgbouncer: server_reset_query = DISCARD ALL)."
            )
        }
        return Finding(.pooling, .ok, "a pooler of sessions; each connection of a lock manager takes one of its pool")
    }

    /// A client goes, and leaves a lock behind.
    private func isReset() throws(ConnectionFailure) -> Bool {
        let key = Int64.random(in: .min ... .max)
        let process = try leave(key)
        for _ in 0..<20 {
            if try patient.values("SELECT pg_catalog.pg_try_advisory_lock(\(key))") == ["t"] {
                _ = try patient.ask("SELECT pg_catalog.pg_advisory_unlock(\(key))")
                return true
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        // Ends the session in the pool, if it holds our lock still, so that nothing stays behind.
        _ = try patient.ask(
            """
            SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks WHERE pid = \(process) AND locktype = 'advisory'
            AND (classid::pg_catalog.int8 << 32) | objid::pg_catalog.int8 = \(key) AND objsubid = 1
            """
        )
        return false
    }

    /// - Returns: The server process that has taken the lock.
    private func leave(_ key: Int64) throws(ConnectionFailure) -> String {
        let values = try patient.another().values(
            "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_try_advisory_lock(\(key))"
        )
        return values[0] ?? "0"
    }
}
