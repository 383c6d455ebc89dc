/// All workloads.
enum Catalogue {
    static let names: [(name: String, summary: String)] = [
        ("distinct", "1,000 tasks, each with a key of its own"),
        ("single", "one task, over a Unix socket and over TCP"),
        ("handoff", "1,000 tasks of one process that want the same key"),
        ("fleet", "2 processes of 100 tasks that want the same key"),
        ("crowd", "100,000 tasks that wait, and are cancelled"),
        ("held", "1,000 tasks, while up to 100,000 further locks are held"),
        ("loss", "a holder whose backend is ended, and the next holder"),
    ]

    static func workloads(_ stage: Stage) -> [Workload] {
        [
            .distinct(stage), .single(stage), .handoff(stage), .fleet(stage), .crowd(stage), .held(stage), .loss(stage),
        ]
    }
}
