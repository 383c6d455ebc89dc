/// Where the client and the server of a workload run, and whether the cores may sleep.
enum Surroundings: String, CaseIterable, Codable, Sendable {
    /// The system chooses the cores, and idle cores sleep.
    case free
    /// The system chooses the cores, and a process of the lowest priority keeps each of them awake.
    case awake
    /// The client and the server share one core.
    case oneCore
    /// The client has one core and the server another.
    case twoCores

    /// The cores of the client and of the server, of those that the run uses; `nil` if the system chooses.
    func places(among cores: [Int]) -> (client: [Int], server: [Int])? {
        switch self {
        case .free, .awake: nil
        case .oneCore: cores.first.map { ([$0], [$0]) }
        case .twoCores: cores.count < 2 ? nil : ([cores[0]], [cores[1]])
        }
    }

    /// Why they can't be had on this machine; `nil` if they can.
    func obstacle(cores: [Int], hasTools: Bool) -> String? {
        guard self != .free else { return nil }
        if !hasTools { return "taskset and chrt are needed (Debian: util-linux), which exist on Linux only" }
        if cores.isEmpty { return "the numbers of the cores are unknown" }
        return self == .twoCores && cores.count < 2 ? "they need two cores" : nil
    }

    /// Whether the programs are installed that bind processes to cores and set their scheduling.
    static func hasTools() async -> Bool {
        for program in ["taskset", "chrt"] {
            guard (try? await Child.run(program, ["--version"])) != nil else { return false }
        }
        return true
    }
}
