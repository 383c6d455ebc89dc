/// Numbers what happens on all servers of a cluster.
package final class SimulatedNumbers {
    private var sessions = 0
    private var blocks = 0
    private var tenures = 0

    package init() {}

    func nextSession() -> Int {
        sessions += 1
        return sessions
    }

    func nextBlock() -> Int {
        blocks += 1
        return blocks
    }

    func nextTenure() -> Int {
        tenures += 1
        return tenures
    }
}
