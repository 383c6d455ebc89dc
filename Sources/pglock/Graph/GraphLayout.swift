/// Where the parts of a graph are drawn: in columns, those that wait to the left of what they wait for. Groups that have nothing to do with each
/// other are below each other, those with rings first.
struct GraphLayout {
    enum Node: Hashable {
        case party(Int)
        case lock(Int)
    }

    private enum Place {
        case node(Node)
        /// Where the line of a link passes the boxes of a column.
        case lane(link: Int)
    }

    static let boxWidth = 250.0
    static let boxHeight = 40.0
    static let lockHeight = 30.0
    private static let laneHeight = 8.0
    static let columnGap = 130.0
    static let rowGap = 12.0
    static let margin = 24.0
    private static let groupGap = 36.0

    private(set) var positions: [Node: (x: Double, y: Double)] = [:]
    /// Where the lines enter the columns that they go over, from left to right, by the numbers of the links. They leave them at the same height.
    private(set) var lanes: [Int: [(x: Double, y: Double)]] = [:]
    private(set) var width = 0.0
    private(set) var height = 0.0

    init(_ graph: WaitGraph) {
        let columns = Self.columns(graph)
        width = Double(columns.count) * Self.boxWidth + Double(max(0, columns.count - 1)) * Self.columnGap + 2 * Self.margin
        height = Self.margin
        for group in Self.grouped(columns, graph) {
            if height > Self.margin { height += Self.groupGap }
            place(group)
        }
        height += Self.margin
    }

    /// Places the columns of a group below what is placed already.
    private mutating func place(_ columns: [[Place]]) {
        let heights = columns.map { column in column.reduce(0) { $0 + Self.height(of: $1) + Self.rowGap } - Self.rowGap }
        let groupHeight = heights.max() ?? 0
        for (number, column) in columns.enumerated() {
            let x = Self.margin + Double(number) * (Self.boxWidth + Self.columnGap)
            var y = height + (groupHeight - heights[number]) / 2
            for place in column {
                switch place {
                case .node(let node): positions[node] = (x, y)
                case .lane(let link): lanes[link, default: []].append((x, y + Self.laneHeight / 2))
                }
                y += Self.height(of: place) + Self.rowGap
            }
        }
        height += groupHeight
    }

    /// The columns of each group of parties and locks that are linked: first of those with rings, then of those with the most links.
    private static func grouped(_ columns: [[Place]], _ graph: WaitGraph) -> [[[Place]]] {
        let locks = graph.parties.count
        var neighbours: [[Int]] = Array(repeating: [], count: locks + graph.locks.count)
        for link in graph.links {
            neighbours[link.party].append(locks + link.lock)
            neighbours[locks + link.lock].append(link.party)
        }
        // With each link in both directions, what is connected at all is strongly connected.
        let components = StrongComponents(neighbours).components
        var groupOf = Array(repeating: 0, count: neighbours.count)
        for (group, nodes) in components.enumerated() { for node in nodes { groupOf[node] = group } }
        func group(of place: Place) -> Int {
            switch place {
            case .node(.party(let party)): groupOf[party]
            case .node(.lock(let lock)): groupOf[locks + lock]
            case .lane(let link): groupOf[graph.links[link].party]
            }
        }
        var groups = components.map { _ in columns.map { _ in [Place]() } }
        for (number, column) in columns.enumerated() { for place in column { groups[group(of: place)][number].append(place) } }
        let links = Dictionary(grouping: graph.links) { groupOf[$0.party] }
        let ranks = groups.indices.map { group in
            let own = links[group] ?? []
            return (own.contains(where: \.isInRing) ? 0 : 1, -own.count, group)
        }
        return ranks.sorted(by: <).map { groups[$0.2] }
    }

    static func height(of node: Node) -> Double { if case .party = node { boxHeight } else { lockHeight } }

    private static func height(of place: Place) -> Double { if case .node(let node) = place { height(of: node) } else { laneHeight } }

    /// The nodes by column, from left to right: a node is behind all that wait for it, except for rings.
    private static func columns(_ graph: WaitGraph) -> [[Place]] {
        let nodes = graph.parties.indices.map(Node.party) + graph.locks.indices.map(Node.lock)
        var next: [[Int]] = Array(repeating: [], count: nodes.count)
        for link in graph.links {
            let (party, lock) = (link.party, graph.parties.count + link.lock)
            if link.isHold { next[lock].append(party) } else { next[party].append(lock) }
        }
        let components = StrongComponents(next).components
        var componentOf = Array(repeating: 0, count: nodes.count)
        for (number, component) in components.enumerated() { for node in component { componentOf[node] = number } }
        let neverAimedAt = Set(nodes.indices).subtracting(next.joined())
        // Components come with those first that wait for nothing. Inside a ring, locks are between its parties.
        var rank = Array(repeating: 0, count: components.count)
        for number in components.indices.reversed() {
            let end = rank[number] + (components[number].count > 1 ? 1 : 0)
            for node in components[number] {
                for target in next[node] where componentOf[target] != number {
                    rank[componentOf[target]] = max(rank[componentOf[target]], end + 1)
                }
            }
        }
        func column(of node: Int) -> Int {
            let component = componentOf[node]
            if components[component].count > 1, case .lock = nodes[node] { return rank[component] + 1 }
            return rank[component]
        }
        // What nothing waits for is beside what it waits for itself, so that its line does not run behind the boxes between.
        for number in components.indices where components[number].count == 1 {
            let node = components[number][0]
            guard neverAimedAt.contains(node), let nearest = next[node].map(column).min() else { continue }
            rank[number] = max(rank[number], nearest - 1)
        }
        var columns: [[Int]] = Array(repeating: [], count: (nodes.indices.map(column).max() ?? -1) + 1)
        for node in nodes.indices { columns[column(of: node)].append(node) }
        return lanes(in: columns.filter { !$0.isEmpty }, nodes, graph)
    }

    /// Puts a lane for each link into each column that its line goes over, then puts all in order. Links that go back are those of rings, whose
    /// parties and locks are in adjacent columns.
    private static func lanes(in columns: [[Int]], _ nodes: [Node], _ graph: WaitGraph) -> [[Place]] {
        var columns = columns
        var columnOf = Array(repeating: 0, count: nodes.count)
        for (number, column) in columns.enumerated() { for node in column { columnOf[node] = number } }
        var places = nodes.map(Place.node)
        var next: [[Int]] = Array(repeating: [], count: nodes.count)
        for (number, link) in graph.links.enumerated() {
            let (party, lock) = (link.party, graph.parties.count + link.lock)
            let (from, to) = link.isHold ? (lock, party) : (party, lock)
            var last = from
            for column in stride(from: columnOf[from] + 1, to: columnOf[to], by: 1) {
                let lane = places.count
                places.append(.lane(link: number))
                next.append([])
                columns[column].append(lane)
                next[last].append(lane)
                last = lane
            }
            next[last].append(to)
        }
        return ordered(columns, next).map { $0.map { places[$0] } }
    }

    /// Puts each node near its neighbours, so that few lines cross.
    private static func ordered(_ columns: [[Int]], _ next: [[Int]]) -> [[Int]] {
        var columns = columns
        var neighbours = next
        for (node, targets) in next.enumerated() { for target in targets { neighbours[target].append(node) } }
        for round in 0..<6 {
            var place: [Int: Double] = [:]
            for column in columns {
                for (index, node) in column.enumerated() { place[node] = Double(index) / Double(max(1, column.count)) }
            }
            let order = round.isMultiple(of: 2) ? Array(columns.indices) : columns.indices.reversed()
            for number in order {
                func middle(_ node: Int) -> Double {
                    let places = neighbours[node].compactMap { place[$0] }
                    return places.isEmpty ? place[node] ?? 0 : places.reduce(0, +) / Double(places.count)
                }
                let sorted = columns[number].map { (node: $0, middle: middle($0)) }.sorted { ($0.middle, $0.node) < ($1.middle, $1.node) }
                columns[number] = sorted.map(\.node)
                for (index, node) in columns[number].enumerated() { place[node] = Double(index) / Double(max(1, columns[number].count)) }
            }
        }
        return columns
    }
}
