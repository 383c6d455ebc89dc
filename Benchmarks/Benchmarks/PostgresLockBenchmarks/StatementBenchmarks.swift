import Benchmark
import LibPQ

func statementBenchmarks() {
    let keys = (0..<Int64(Benchmark.size)).map { $0 &* 0x1E37_79B9_7F4A_7C15 }

    Benchmark("statement.1000-keys-as-an-array") { benchmark in
        blackHole(Statement.Parameter.int8Array(keys))
    }

    Benchmark("statement.one-key") { benchmark in
        for index in benchmark.scaledIterations {
            blackHole(Statement.Parameter.int8(keys[index]))
        }
    }
}
