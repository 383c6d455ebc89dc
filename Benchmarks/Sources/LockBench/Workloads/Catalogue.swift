/// All workloads.
enum Catalogue {
    static let workloads: [Workload] =
        [.distinct] + Workload.single + [.handoff] + Workload.handover + [.fleet, .crowd, .held, .loss]
}
