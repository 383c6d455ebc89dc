import ChildProcesses
import Foundation
import PostgresLockTesting

/// PostgreSQL's own load generator. It is written in C, so its clients cost little beside the server's work.
struct Pgbench: Sendable {
    let program: String
    let version: Report.Software

    /// The script that each client repeats.
    enum Script: String {
        case onePair = "one-pair.sql"
        case pipeline = "pipeline.sql"
        case deepPipeline = "deep-pipeline.sql"

        var pairs: Int { self == .deepPipeline ? 50 : 1 }
    }

    static func find(server: EphemeralPostgres, missing: inout [String]) async -> Pgbench? {
        for program in ["\(server.binaryDirectory)/pgbench", "pgbench"] {
            if let result = try? await Child.run(program, ["--version"]) {
                // "pgbench (PostgreSQL) 15.18 (Debian …)"
                let words = result.output.split(whereSeparator: \.isWhitespace)
                return Pgbench(program: program, version: .init(name: "pgbench", version: words.count > 2 ? String(words[2]) : "unknown"))
            }
        }
        missing.append("pgbench: neither in \(server.binaryDirectory) nor in PATH (Debian: postgresql-contrib or postgresql-15)")
        return nil
    }

    func contender(
        _ id: String,
        _ title: String,
        _ script: Script,
        clients: Int,
        _ transport: Transport = .socket,
        stage: Stage
    ) -> Contender {
        // pgbench accepts only whole seconds.
        let seconds = Int(stage.plan.seconds.rounded(.up))
        let threads = min(clients, stage.plan.cores.used)
        let arguments = [
            "--no-vacuum", "--protocol=prepared", "--client=\(clients)", "--jobs=\(threads)", "--time=\(seconds)",
            "--file=\(PeersFolder.path(script.rawValue))", stage.string(transport),
        ]
        return Contender(id, title) {
            let result = try await Child.run(program, arguments)
            // "tps = 12345.678 (without initial connection time)"
            guard let match = result.output.firstMatch(of: #/tps = ([0-9.]+) \(without/#), let rate = Double(match.output.1), rate > 0
            else {
                throw BenchError("pgbench did not print its rate: \(result.output.suffix(200)) \(result.error.suffix(200))")
            }
            return ["rate": rate * Double(script.pairs)]
        }
    }
}
