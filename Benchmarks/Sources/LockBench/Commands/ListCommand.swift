import ArgumentParser
import Foundation

/// `lock-bench list`: lists the rows that a run can measure.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all workloads and their rows, as --only takes them."
    )

    func run() {
        for workload in Catalogue.workloads {
            print("\(workload.name): \(workload.title)")
            var table = TextTable()
            for contender in workload.contenders { table.add("\(workload.name)/\(contender.id)", contender.title) }
            print(table.text)
        }
    }
}
