import LibPQ
import PostgresLock

/// Runs all checks of `pglock doctor`, one after the other. Blocks.
struct DoctorChecks {
    let parameters: ConnectionParameters
    /// The time limit of each question.
    let limit: Duration

    /// The findings, without the checks that an earlier failure makes pointless.
    func findings(and trial: LockTrial) async -> [Finding] {
        let findings = findings()
        guard !findings.contains(where: { $0.state == .failed }) else { return findings }
        let place = findings.firstIndex { $0.check == .exclusion }.map { $0 + 1 } ?? findings.endIndex
        return findings[..<place] + [await trial.finding()] + findings[place...]
    }

    private func findings() -> [Finding] {
        let began = ContinuousClock.now
        let server: ServerUnderTest
        do throws(ConnectionFailure) {
            server = try ServerUnderTest(parameters, limit: limit)
            _ = try server.ask("SELECT 1")
        } catch {
            return [Finding(.reachable, .failed, error.message, advice: error.advice)]
        }
        let time = ContinuousClock.now - began
        // Before the check that makes some poolers close the connection.
        let basics = [
            find(.reachable) { () throws(ConnectionFailure) in try server.reachable(after: time) },
            server.version,
            find(.primary, server.primary),
        ]
        let pooling = find(.pooling, server.pooling)
        let serverChecks = basics + [pooling]
        // Behind a pooler of transactions each answer may come from another session.
        guard pooling.state != .failed else { return serverChecks }
        let survey = Result { () throws(ConnectionFailure) in try ConnectionSurvey(server) }
        let exclusion = find(.exclusion) { () throws(ConnectionFailure) in try server.exclusion(try? survey.get()) }
        let isOnStandby = (try? survey.get().servers.first?.isStandby) ?? false
        let waits =
            exclusion.state == .failed || isOnStandby
            ? []
            : [
                find(.visibility) { () throws(ConnectionFailure) in try survey.get().visibilityFinding },
                find(.cancelling, server.cancelling),
            ]
        return serverChecks + [
            find(.servers) { () throws(ConnectionFailure) in try survey.get().serversFinding },
            exclusion,
        ] + waits + [
            find(.lockTable, server.lockTable),
            find(.connections, server.connections),
            find(.timeouts, server.timeouts),
            server.encryption,
            find(.keepalives, server.keepalives),
            find(.privileges, server.privileges),
            find(.roundTrip, server.roundTrip),
        ]
    }

    /// With these failures the server is unfit for locks. With the others a check could not be made.
    private static let unfit: Set<ConnectionFailure.Kind> = [
        .transactionPooling, .locksDoNotExclude, .standby, .anotherServer, .serverTooOld,
    ]

    private func find(_ check: Finding.Check, _ body: () throws(ConnectionFailure) -> Finding) -> Finding {
        do throws(ConnectionFailure) {
            return try body()
        } catch {
            // If a check of what the library needs can't be made, it has failed.
            let isNeeded = Self.unfit.contains(error.kind) || [.primary, .pooling, .exclusion].contains(check)
            return Finding(check, isNeeded ? .failed : .warning, error.message, advice: error.advice)
        }
    }
}
