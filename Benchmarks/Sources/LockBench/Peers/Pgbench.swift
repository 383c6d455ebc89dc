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

    /// Runs it once.
    func measure(_ script: Script, clients: Int, _ transport: Transport, _ stage: Stage) async throws -> Costs {
        // pgbench accepts only whole seconds.
        let seconds = Int(stage.plan.seconds.rounded(.up))
        let threads = min(clients, stage.plan.cores.used)
        let arguments = [
            "--no-vacuum", "--protocol=prepared", "--client=\(clients)", "--jobs=\(threads)", "--time=\(seconds)",
            "--file=\(PeersFolder.path(script.rawValue))", stage.server.connectionString(overTCP: transport == .tcp),
        ]
        let run = try await stage.runMeasured(program, arguments, against: .postgres(transport))
        guard let output = PgbenchOutput(parsing: run.result.output) else {
            throw BenchError("pgbench did not print its rate: \(run.result.output.suffix(200)) \(run.result.error.suffix(200))")
        }
        let pairs = Double(output.transactions * script.pairs)
        return Costs(pairs: pairs, seconds: Double(output.transactions) / output.rate, client: run.client, server: run.server)
    }
}

/// What pgbench prints at its end.
struct PgbenchOutput: Equatable {
    let transactions: Int
    /// The transactions per second, without the time for connecting.
    let rate: Double

    init?(parsing text: String) {
        // "number of transactions actually processed: 24690" and "tps = 12345.678 (without initial connection time)"
        guard let count = text.firstMatch(of: #/transactions actually processed: ([0-9]+)/#), let transactions = Int(count.output.1),
            let match = text.firstMatch(of: #/tps = ([0-9.]+) \(without/#), let rate = Double(match.output.1), rate > 0
        else { return nil }
        self.transactions = transactions
        self.rate = rate
    }
}

extension Contender {
    static func pgbench(
        _ id: String,
        _ title: String,
        _ script: Pgbench.Script,
        clients: Int,
        _ transport: Transport = .socket
    ) -> Contender {
        Contender(id, title, needs: [.pgbench]) { stage in
            try await stage.require(stage.pgbench).measure(script, clients: clients, transport, stage).metrics
        }
    }
}
