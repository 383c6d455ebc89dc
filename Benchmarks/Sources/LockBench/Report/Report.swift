import Foundation
import PostgresLockTesting

/// The results of one run, as they are written to a file.
struct Report: Codable, Sendable {
    struct Software: Codable, Sendable {
        let name: String
        let version: String
    }

    let date: String
    let processor: String
    let cores: Cores
    let system: String
    let rounds: Int
    let seconds: Double
    let fleetSeconds: Double
    let serverSettings: [String: String]
    let rule: String
    /// The contenders that could not be measured, and the reasons.
    let missing: [String]
    var software: [Software]
    /// What the locks of other products do not promise.
    var promises: [String] = []
    var workloads: [WorkloadResult] = []
    var verdicts: [Verdict] = []

    init(plan: Plan, server: String, missing: [String]) {
        date = Date().formatted(.iso8601)
        processor = ProcFile.processor() ?? "unknown processor"
        cores = plan.cores
        system = ProcessInfo.processInfo.operatingSystemVersionString
        rounds = plan.rounds
        seconds = plan.seconds
        fleetSeconds = plan.fleetSeconds
        serverSettings = Stage.serverSettings
        rule = Comparison.rule
        self.missing = missing
        software = [Software(name: "PostgreSQL", version: server)]
    }

    /// Whether there is a sample of any contender.
    var hasSamples: Bool {
        workloads.contains { $0.rows.contains { !$0.samples.isEmpty } }
    }

    /// Whether a contender of this library could not be measured.
    var libraryHasFailed: Bool {
        workloads.contains { workload in
            workload.rows.contains { $0.isOurs && workload.failures[$0.contender] != nil }
        }
    }

    func row(_ workload: String, _ contender: String, _ metric: String) -> Row? {
        workloads.first { $0.name == workload }?.row(contender, metric)
    }

    static func read(from path: String) throws -> Report {
        guard let data = FileManager.default.contents(atPath: path) else { throw BenchError("\(path) can't be read.") }
        return try JSONDecoder().decode(Report.self, from: data)
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try (try encoder.encode(self) + Data("\n".utf8)).write(to: url)
    }
}
