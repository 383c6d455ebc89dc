import LockCore
import LockServerModel

/// Several processes and one server in simulated time. The same seed gives the same run, to the last event.
package final class Simulation {
    let seed: UInt64
    let profile: SimulationProfile
    let agenda = Agenda()
    let ledger: Ledger
    private let chance: Chance
    private let hosts: SimulatedHosts
    private var processes: [SimulatedProcess] = []
    /// How many tasks have not ended, per process.
    private var running: [Int: Int] = [:]
    private var nextAudit = Instant(nanoseconds: 0)

    package init(seed: UInt64) {
        self.seed = seed
        profile = SimulationProfile(seed: seed)
        chance = Chance(seed: seed &+ 0x5EED)
        ledger = Ledger(agenda: agenda, profile)
        hosts = SimulatedHosts(agenda: agenda, chance: chance, profile: profile, ledger: ledger)
        processes = (1...profile.processes).map { SimulatedProcess($0, hosts: hosts) }
        ledger.lease = profile.engine.lease
        ledger.isBelieved = { [unowned self] lease in processes.first { $0.id == lease.process }?.believes(in: lease) ?? false }
    }

    /// Runs to the end, or to the first broken promise.
    package func run() -> SimulationReport {
        play()
        return SimulationReport(
            seed: seed,
            tally: SimulationTally(agenda, ledger),
            end: agenda.now,
            violations: ledger.violations,
            profile: "\(profile)"
        )
    }

    private func play() {
        for process in processes {
            for _ in 0..<profile.tasks { start(process) }
        }
        planTrouble()
        planRequests()
        planSplits()
        planFreezes()
        if profile.departures { planDepartures() }
        // A time with faults, then one without until all tasks have ended.
        proceed(for: .seconds(chance.number(1...60))) { [self] in isDone }
        hosts.isFaulty = false
        hosts.stopFormer()
        for process in processes { process.quietSince = agenda.now }
        proceed(for: .seconds(3600)) { [self] in isDone }
        if !isDone, ledger.violations.isEmpty { ledger.report("tasks have not ended: \(running)") }
        // Long enough for connections to become idle and be closed, and for the server to notice silent clients.
        proceed(for: .seconds(180)) { false }
        checkQuiet()
        for process in processes { process.shutDown(grace: .seconds(60)) }
        proceed(for: .seconds(70)) { false }
        guard ledger.violations.isEmpty else { return }
        if let session = hosts.randomSession() { ledger.report("session \(session.id) has not ended") }
        if !hosts.lockedKeys.isEmpty { ledger.report("the keys \(hosts.lockedKeys) are still locked") }
    }

    private func proceed(for duration: Duration, until isOver: () -> Bool) {
        let end = agenda.now.advanced(by: duration)
        while ledger.violations.isEmpty, !isOver(), agenda.step(until: end) {
            guard agenda.now >= nextAudit else { continue }
            for process in processes { process.audit() }
            nextAudit = agenda.now.advanced(by: .milliseconds(500))
        }
    }

    private var isDone: Bool { running.values.allSatisfy { $0 == 0 } }

    private func start(_ process: SimulatedProcess) {
        running[process.id, default: 0] += 1
        SimulatedTask(process, rounds: profile.rounds) { [self] in running[process.id]? -= 1 }.next()
    }

    private func checkQuiet() {
        guard ledger.violations.isEmpty else { return }
        for process in processes where !process.isCrashed && !process.isTerminated {
            if !process.engine.isQuiet { ledger.report("process \(process.id) is not quiet: \(process.engine.summary)") }
            if process.engine.connectionCount > 1 {
                ledger.report("process \(process.id) keeps idle connections")
            }
        }
        for process in processes where !process.isCrashed && !process.permitWaiters.isEmpty {
            ledger.report("process \(process.id) has tasks that wait for a permit, though all have ended")
        }
        if !ledger.isEmpty { ledger.report("locks are left over") }
        for key in hosts.lockedKeys { ledger.report("key \(key) is still held by \(hosts.primary.holders(of: key))") }
    }

    // MARK: Faults

    private func planTrouble() {
        guard let every = profile.troubleEvery else { return }
        agenda.plan(after: chance.duration(.zero...every * 2)) { [self] in
            guard hosts.isFaulty else { return }
            makeTrouble()
            planTrouble()
        }
    }

    private func makeTrouble() {
        let links = processes.flatMap { $0.links.sorted { $0.key < $1.key }.map(\.value) }
        switch chance.number(0...9) {
        case 0 where profile.promotions:
            ledger.promotions += 1
            hosts.primary.promote(after: chance.skewedDuration(.zero ... .seconds(15)))
        case 0: hosts.primary.restart(after: chance.skewedDuration(.zero ... .seconds(15)))
        case 1, 2: hosts.randomSession()?.terminate()
        // An administrator cancels what some session runs.
        case 3, 4, 5: hosts.randomSession()?.signal(.cancelledByServer)
        case 6: if !links.isEmpty { chance.one(of: links).goDark() }
        default: if !links.isEmpty { chance.one(of: links).cut() }
        }
    }

    /// Other sessions ask for locks that are held.
    private func planRequests() {
        guard let every = profile.requestEvery else { return }
        agenda.plan(after: chance.duration(.zero...every * 2)) { [self] in
            guard hosts.isFaulty else { return }
            let keys = hosts.primary.lockedKeys
            if !keys.isEmpty { hosts.primary.requestRelease(of: chance.one(of: keys)) }
            planRequests()
        }
    }

    private func planSplits() {
        guard let every = profile.splitEvery else { return }
        agenda.plan(after: chance.duration(.zero...every * 2)) { [self] in
            guard hosts.isFaulty else { return }
            hosts.promoteAnother()
            planSplits()
        }
    }

    /// Mostly for a moment, sometimes for longer than a lease.
    private func planFreezes() {
        guard let every = profile.freezeEvery else { return }
        agenda.plan(after: chance.duration(.zero...every * 2)) { [self] in
            guard hosts.isFaulty else { return }
            chance.one(of: processes).freeze(for: chance.skewedDuration(.zero...(profile.engine.lease ?? .seconds(5)) * 4))
            planFreezes()
        }
    }

    private func planDepartures() {
        agenda.plan(after: chance.skewedDuration(.zero ... .seconds(10))) { [self] in
            processes[0].shutDown(grace: chance.one(of: [.zero, .seconds(1), .seconds(150)]))
        }
        guard processes.count > 1 else { return }
        agenda.plan(after: chance.skewedDuration(.zero ... .seconds(10))) { [self] in
            processes[1].crash()
            running[processes[1].id] = nil
        }
    }
}
