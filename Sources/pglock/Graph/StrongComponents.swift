/// The strongly connected components of a graph, in Tarjan's way, without recursion: a chain of waits may be long.
struct StrongComponents {
    private(set) var components: [[Int]] = []

    /// - Parameter next: The neighbours of each node.
    init(_ next: [[Int]]) {
        var index = Array(repeating: -1, count: next.count)
        var low = index
        var isOpen = Array(repeating: false, count: next.count)
        var open: [Int] = []
        var count = 0
        for root in next.indices where index[root] < 0 {
            var path: [(node: Int, edge: Int)] = [(root, 0)]
            while let (node, edge) = path.last {
                if edge == 0 {
                    (index[node], low[node]) = (count, count)
                    count += 1
                    open.append(node)
                    isOpen[node] = true
                }
                if edge < next[node].count {
                    path[path.count - 1].edge += 1
                    let neighbour = next[node][edge]
                    if index[neighbour] < 0 {
                        path.append((neighbour, 0))
                    } else if isOpen[neighbour] {
                        low[node] = min(low[node], index[neighbour])
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last?.node { low[parent] = min(low[parent], low[node]) }
                guard low[node] == index[node] else { continue }
                var component: [Int] = []
                while let last = open.popLast() {
                    isOpen[last] = false
                    component.append(last)
                    if last == node { break }
                }
                components.append(component)
            }
        }
    }
}
