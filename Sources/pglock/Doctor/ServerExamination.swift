import LibPQ
import PostgresLock

/// Asks a server about one thing after the other. Blocks.
struct ServerExamination {
    private let parameters: ConnectionParameters
    private let limit: Duration

    /// - Parameter limit: For each answer.
    init(_ parameters: ConnectionParameters, limit: Duration) {
        self.parameters = parameters
        self.limit = limit
    }

    /// What a failure makes pointless to ask is left out.
    func findings(and trial: LockTrial) async -> [Finding] {
        let findings = findings()
        guard !findings.contains(where: { $0.state == .failed }) else { return findings }
        let place = findings.firstIndex { $0.check == .exclusion }.map { $0 + 1 } ?? findings.endIndex
        return findings[..<place] + [await trial.finding()] + findings[place...]
    }

    private func findings() -> [Finding] {
        let began = ContinuousClock.now
        let patient: ServerUnderTest
        do throws(ConnectionFailure) {
            patient = try ServerUnderTest(parameters, limit: limit)
            _ = try patient.ask("SELECT 1")
        } catch {
            return [Finding(.reachable, .failed, error.message, advice: error.advice)]
        }
        let time = ContinuousClock.now - began
        let pooling = find(.pooling, PoolingExamination(patient).finding)
        let serverChecks = [
            find(.reachable) { () throws(ConnectionFailure) in try patient.reachable(after: time) },
            patient.version,
            find(.primary, patient.primary),
            pooling,
        ]
        // Behind a pooler of transactions everybody's answers may come from another session.
        guard pooling.state != .failed else { return serverChecks }
        return serverChecks + [
            find(.exclusion, patient.exclusion),
            find(.lockTable, patient.lockTable),
            find(.connections, patient.connections),
            find(.timeouts, patient.timeouts),
            patient.encryption,
            find(.keepalives, patient.keepalives),
            find(.privileges, patient.privileges),
            find(.roundTrip, patient.roundTrip),
        ]
    }

    /// A server of these kinds is unfit for locks; of all other kinds, something could not be found out.
    private static let unfit: Set<ConnectionFailure.Kind> = [
        .transactionPooling, .locksDoNotExclude, .standby, .anotherServer, .serverTooOld,
    ]

    private func find(_ check: Finding.Check, _ body: () throws(ConnectionFailure) -> Finding) -> Finding {
        do throws(ConnectionFailure) {
            return try body()
        } catch {
            // Of things that the library needs, it is a failure that they can't be found out.
            let isNeeded = Self.unfit.contains(error.kind) || [.primary, .pooling, .exclusion].contains(check)
            return Finding(check, isNeeded ? .failed : .warning, error.message, advice: error.advice)
        }
    }
}
