import Testing

@testable import lock_bench

@Suite
struct SelectionTests {
    private func chosen(_ patterns: String...) -> [String] {
        let selection = Selection(patterns)
        let rows = ["single/library", "single/pgbench-1", "single-awake/library", "single-awake/pgbench-1", "held/held-1000"]
        return rows.filter { row in
            let parts = row.split(separator: "/").map(String.init)
            return selection.includes(workload: parts[0], row: parts[1])
        }
    }

    @Test("no pattern chooses all rows, and the name of a workload chooses only its rows")
    func workloads() {
        #expect(chosen().count == 5)
        #expect(chosen("single") == ["single/library", "single/pgbench-1"])
        #expect(chosen("single", "held") == ["single/library", "single/pgbench-1", "held/held-1000"])
    }

    @Test("a pattern with a slash chooses rows, and a star stands for any characters")
    func rows() {
        #expect(chosen("single/library") == ["single/library"])
        #expect(chosen("single*/library") == ["single/library", "single-awake/library"])
        #expect(chosen("*/pgbench-*") == ["single/pgbench-1", "single-awake/pgbench-1"])
        #expect(chosen("s*e*e/*1") == ["single-awake/pgbench-1"])
        #expect(chosen("*/library") == ["single/library", "single-awake/library"])
        #expect(chosen("singl") == [])
        #expect(chosen("single*single") == [])
        #expect(chosen("single/") == [])
    }

    @Test("each row has a name of its own, and each goal names rows that exist")
    func catalogue() {
        for workload in Catalogue.workloads {
            let names = workload.contenders.map(\.id)
            #expect(Set(names).count == names.count, "\(workload.name)")
            if let reference = workload.reference { #expect(names.contains(reference), "\(workload.name)") }
        }
        #expect(Set(Catalogue.workloads.map(\.name)).count == Catalogue.workloads.count)
        for requirement in Requirement.all {
            let rows = Catalogue.workloads.first { $0.name == requirement.workload }?.contenders.map(\.id) ?? []
            #expect(requirement.contenders.allSatisfy(rows.contains), "\(requirement.workload): \(requirement.text)")
        }
    }

    @Test("a pattern without a row is told")
    func unmatched() {
        #expect(Selection(["single", "nothing", "single/nothing"]).unmatched(in: Catalogue.workloads) == ["nothing", "single/nothing"])
    }
}
