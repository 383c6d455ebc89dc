import LibPQ
import PostgresLock

/// Whether a lock stays with the connection that has taken it, and goes with it.
struct PoolingExamination {
    private let patient: ServerUnderTest

    init(_ patient: ServerUnderTest) {
        self.patient = patient
    }

    func finding() throws(ConnectionFailure) -> Finding {
        let check = PoolingCheck(patient.session, try patient.another().session)
        try check.run()
        guard try check.isPooled else { return Finding(.pooling, .ok, "none: this is the server itself") }
        let advice = "Let it reset sessions between clients (pgbouncer: server_reset_query = DISCARD ALL)."
        switch try ResetCheck(patient.session, openAnother: { () throws(ConnectionFailure) in try patient.another().session }).run() {
        case .isReset:
            return Finding(.pooling, .ok, "a pooler of sessions; each connection of a lock manager takes one of its pool")
        case .keepsSettings:
            return Finding(
                .pooling,
                .warning,
                """
                There is a pooler of sessions that keeps the settings of clients that have gone. A lock manager that is killed leaves \
                some there, and the server does not end a session of one that has frozen.
                """,
                advice: advice
            )
        case .keepsLocks:
            return Finding(
                .pooling,
                .failed,
                "There is a pooler of sessions that keeps the locks of clients that have gone.",
                advice: advice
            )
        }
    }
}
