import ArgumentParser
import Chaos
import Foundation

/// The program of `make failover`: runs several processes that take locks on a cluster that fails over, and checks their history.
@main
struct FailoverRunner: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "FailoverRunner",
        abstract: "Runs workers on three PostgreSQL servers under Patroni, injects faults, and checks what the workers have seen.",
        discussion: """
            Starts etcd, three servers under Patroni, one more server that nothing happens to, and four worker processes. They lock with a \
            lease of 5 s, with fencing tokens, and make guarded writes on the server that nothing happens to. Their URLs list the three \
            servers in different orders. The faults come one after the other; after each of them the cluster is repaired, or made anew.

            As root on Linux everything runs in network namespaces of its own; otherwise on 127.0.0.1, without the faults that cut networks. \
            `.ci/install-failover` installs etcd and Patroni. No process is left at the end, also after Ctrl-C.

            FAULTS: \(FailoverFault.Kind.allCases.map(\.rawValue).joined(separator: ", "))

            With --break the workers leave out a guard on purpose (\(FailoverBreak.allCases.map(\.rawValue).joined(separator: ", "))), and \
            the check has to find what that leads to, and nothing else.

            EXIT STATUS:
              0   no violation, or with --break those that are expected
              1   a violation was found, or with --break none; the workers' and servers' logs are kept
             69   etcd, Patroni or PostgreSQL can't be had
            """
    )

    @Option(help: "sync, async, or both at the same time.")
    var mode = FailoverMode.both

    @Option(help: "The number of faults, over all modes.")
    var faults = 40

    @Option(help: "The seed of the faults; by default a random one.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("Only these faults, separated by commas.", valueName: "kinds"))
    var only: String?

    @Option(help: ArgumentHelp("A file for the measured times as JSON.", valueName: "path"))
    var json: String?

    @Flag(help: "Leave out Patroni's check_timeline, to see what happens without it.")
    var withoutCheckTimeline = false

    @Option(name: .customLong("break"), help: ArgumentHelp("Leave out a guard on purpose.", valueName: "guard"))
    var breaking: FailoverBreak?

    func validate() throws {
        guard faults > 0 else { throw ValidationError("--faults must be more than zero.") }
        _ = try kinds(canCutNetworks: true)
    }

    func run() async throws {
        let tools: FailoverTools
        do {
            tools = try FailoverTools.find()
        } catch let error as FailoverTools.Missing {
            FileHandle.standardError.write(Data("failover: \(error.description)\n".utf8))
            throw ExitCode(69)
        }
        let hasNetworks = PrivateNetwork.enter()
        let kinds = try kinds(canCutNetworks: hasNetworks)
        let seed = seed ?? UInt64.random(in: 1...999_999)
        let records = FileManager.default.temporaryDirectory.appending(path: "pglock-failover-\(seed)-\(getpid())")
        try FileManager.default.createDirectory(at: records, withIntermediateDirectories: true)
        print("seed \(seed); logs in \(records.path())")
        if !hasNetworks { print("Not root, or no network namespaces: the faults cutOff and nodeVanishes are left out.") }
        fflush(nil)
        let modes = mode.modes
        let results = try await withThrowingTaskGroup(of: FailoverRun.Result.self) { group in
            for (index, isSynchronous) in modes.enumerated() {
                let count = faults / modes.count + (index < faults % modes.count ? 1 : 0)
                let run = FailoverRun(
                    setup: .init(
                        tools: tools,
                        index: index,
                        isSynchronous: isSynchronous,
                        checksTimeline: !withoutCheckTimeline,
                        hasNetworks: hasNetworks
                    ),
                    faults: Array(FailoverSchedule(seed: seed &+ UInt64(index), kinds: kinds).prefix(count)),
                    seed: seed,
                    records: records,
                    breaking: breaking
                )
                group.addTask { try await run.run() }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let report = FailoverReport(results: results.sorted { $0.mode > $1.mode })
        print(report.table)
        print(report.summary)
        if let json { try report.json().write(to: URL(fileURLWithPath: json)) }
        try judge(report, records)
    }

    private func judge(_ report: FailoverReport, _ records: URL) throws {
        let expected = report.violations.filter { breaking?.explains($0) ?? false }
        let others = report.violations.filter { !(breaking?.explains($0) ?? false) }
        if let breaking {
            for violation in expected.prefix(5) { print("as expected: \(violation)") }
            print("\(expected.count) violations of what the guard prevents that was left out (\(breaking.rawValue))")
        }
        guard others.isEmpty, breaking == nil || !expected.isEmpty else {
            for violation in others.prefix(30) { print("VIOLATION: \(violation)") }
            print("\(others.count) violations; the logs of the workers and the servers: \(records.path())")
            throw ExitCode(1)
        }
        try FileManager.default.removeItem(at: records)
        print(breaking == nil ? "no violation" : "no other violation")
    }

    private func kinds(canCutNetworks: Bool) throws -> [FailoverFault.Kind] {
        let chosen = try only.map { list in
            try list.split(separator: ",").map { name in
                guard let kind = FailoverFault.Kind(rawValue: String(name)) else { throw ValidationError("There is no fault \(name).") }
                return kind
            }
        }
        let kinds = (chosen ?? FailoverFault.Kind.allCases).filter { canCutNetworks || !FailoverFault.needsNetworks($0) }
        guard !kinds.isEmpty else { throw ValidationError("None of these faults can be carried out here: they cut networks.") }
        return kinds
    }
}

extension FailoverBreak: ExpressibleByArgument {}

enum FailoverMode: String, ExpressibleByArgument, CaseIterable {
    case sync, async, both

    /// Whether each of the clusters replicates synchronously.
    var modes: [Bool] {
        switch self {
        case .sync: [true]
        case .async: [false]
        case .both: [true, false]
        }
    }
}
