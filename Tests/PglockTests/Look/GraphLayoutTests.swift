import Foundation
import LockCore
import PostgresLock
import Testing

@testable import pglock

@Suite("Pictures of graphs")
struct GraphLayoutTests {
    private typealias Graph = WaitGraphTests

    enum Shape: CaseIterable {
        /// Sessions wait for each other, over all locks.
        case rings
        /// Each session waits only for locks whose holders come later.
        case chains
        /// All wait for one lock.
        case star
    }

    /// A graph of 200 links.
    private static func graph(_ shape: Shape, _ seed: UInt64) -> WaitGraph {
        var state = seed
        func random(_ range: Range<Int>) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int(state >> 33) % range.count
        }
        func lock(_ key: Int, _ party: Int, held: Bool) -> SeenLock { Graph.lock(Int64(key), Graph.session(Int32(party)), held: held) }
        switch shape {
        case .rings:
            let holds = (0..<40).map { lock($0, $0 % 25, held: true) }
            return Graph.graph(holds + (0..<160).map { lock(random(0..<40), random(0..<25) + ($0 % 3) * 25, held: false) })
        case .chains:
            let holds = (0..<50).map { lock($0, $0, held: true) }
            let waits = (0..<150).map { wait in
                let party = wait % 49
                return lock(random(party + 1..<50), party, held: false)
            }
            return Graph.graph(holds + waits)
        case .star:
            return Graph.graph([lock(0, 0, held: true)] + (1..<200).map { lock(0, $0, held: false) })
        }
    }

    private struct Box {
        let node: GraphLayout.Node
        let x: Double
        let y: Double
        var right: Double { x + GraphLayout.boxWidth }
        var bottom: Double { y + GraphLayout.height(of: node) }

        static func all(_ layout: GraphLayout) -> [Box] { layout.positions.map { Box(node: $0.key, x: $0.value.x, y: $0.value.y) } }

        func contains(_ point: GraphLine.Point) -> Bool { x < point.x && point.x < right && y < point.y && point.y < bottom }
    }

    @Test("boxes do not overlap, and are in the picture, which is of finite size", arguments: Shape.allCases, [1, 2, 3] as [UInt64])
    func boxes(shape: Shape, seed: UInt64) {
        let graph = Self.graph(shape, seed)
        #expect(graph.links.count == 200)
        let layout = GraphLayout(graph)
        let boxes = Box.all(layout)
        #expect(boxes.count == graph.parties.count + graph.locks.count)
        #expect(layout.width.isFinite && layout.height.isFinite && layout.height < 200_000)
        for (index, one) in boxes.enumerated() {
            #expect(one.x >= 0 && one.right <= layout.width && one.y >= 0 && one.bottom <= layout.height)
            for other in boxes[(index + 1)...] {
                #expect(one.right <= other.x || other.right <= one.x || one.bottom <= other.y || other.bottom <= one.y)
            }
        }
    }

    @Test("no line runs behind a box that is not its end", arguments: Shape.allCases, [1, 2, 3] as [UInt64])
    func lines(shape: Shape, seed: UInt64) throws {
        let graph = Self.graph(shape, seed)
        let layout = GraphLayout(graph)
        let boxes = Box.all(layout)
        // Otherwise nothing would be shown of those.
        if case .chains = shape { #expect(layout.lanes.count > 20, "Lines go over columns.") }
        for (number, link) in graph.links.enumerated() {
            let line = try #require(GraphLine(number, of: graph, layout))
            let curves = line.curves
            let middles = zip(curves, curves.dropFirst()).map { GraphLine.Point(x: ($0.end.x + $1.start.x) / 2, y: $0.end.y) }
            let points = curves.flatMap { curve in (0...16).map { curve.point(at: Double($0) / 16) } } + middles
            let others = boxes.filter { $0.node != .party(link.party) && $0.node != .lock(link.lock) }
            let hidden = others.filter { box in points.contains { box.contains($0) } }
            #expect(hidden.isEmpty, "link \(number)")
            #expect(zip(curves, curves.dropFirst()).allSatisfy { $0.end.y == $1.start.y && $0.end.x < $1.start.x })
            #expect(!line.path.contains("e") && !line.path.contains("n"), "\(line.path)")
        }
    }

    @Test("groups that have nothing to do with each other are below each other: those with rings first, then those with the most links")
    func groups() throws {
        func sessions(_ numbers: ClosedRange<Int32>) -> [SeenSession] { numbers.map { Graph.session($0) } }
        let (small, large, ring) = (sessions(1...2), sessions(11...15), sessions(21...22))
        let graph = Graph.graph(
            [Graph.lock(1, small[0], held: true), Graph.lock(1, small[1], held: false), Graph.lock(2, large[0], held: true)]
                + large[1...].map { Graph.lock(2, $0, held: false) }
                + [
                    Graph.lock(3, ring[0], held: true), Graph.lock(3, ring[1], held: false),
                    Graph.lock(4, ring[1], held: true), Graph.lock(4, ring[0], held: false),
                ]
        )
        let layout = GraphLayout(graph)
        let bands = try [21...22, 11...15, 1...2].map { (processes: ClosedRange<Int32>) in
            let parties = graph.parties.indices.filter { graph.parties[$0].processIDs.contains { processes.contains($0) } }
            #expect(parties.count == processes.count)
            let locks = graph.links.filter { parties.contains($0.party) }.map(\.lock)
            let boxes = Box.all(layout).filter { box in
                switch box.node {
                case .party(let party): parties.contains(party)
                case .lock(let lock): locks.contains(lock)
                }
            }
            return (top: try #require(boxes.map(\.y).min()), bottom: try #require(boxes.map(\.bottom).max()))
        }
        #expect(bands[0].top == GraphLayout.margin)
        #expect(bands[0].bottom < bands[1].top && bands[1].bottom < bands[2].top)
        #expect(bands[2].bottom + GraphLayout.margin == layout.height)
    }

    @Test("what nothing waits for is drawn beside what it waits for")
    func near() throws {
        let (one, two, three) = (Graph.session(1), Graph.session(2), Graph.session(3))
        let graph = Graph.graph([
            Graph.lock(1, one, held: true), Graph.lock(1, two, held: false), Graph.lock(2, two, held: true),
            Graph.lock(2, three, held: false), Graph.lock(1, Graph.session(4), held: false),
        ])
        let layout = GraphLayout(graph)
        let late = try #require(graph.parties.firstIndex { $0.processIDs == [4] })
        let party = try #require(layout.positions[.party(late)]?.x)
        let lock = try #require(layout.positions[.lock(0)]?.x)
        #expect(lock - party == GraphLayout.boxWidth + GraphLayout.columnGap)
    }

    @Test("what is waited for, and waits itself, is drawn right behind what waits for it")
    func between() throws {
        // Session 2 waits for session 6, and so does session 4, by way of session 5.
        let sessions = (0...6).map { Graph.session(Int32($0)) }
        let graph = Graph.graph([
            Graph.lock(1, sessions[2], held: true), Graph.lock(1, sessions[1], held: false),
            Graph.lock(2, sessions[4], held: true), Graph.lock(2, sessions[3], held: false),
            Graph.lock(3, sessions[5], held: true), Graph.lock(3, sessions[4], held: false),
            Graph.lock(4, sessions[6], held: true), Graph.lock(4, sessions[5], held: false),
            Graph.lock(4, sessions[2], held: false),
        ])
        let layout = GraphLayout(graph)
        let columns = [1, 2, 4, 5].map { (process: Int32) -> Double? in
            graph.parties.firstIndex { $0.processIDs == [process] }.flatMap { layout.positions[.party($0)]?.x }
        }
        let (first, second, fourth, fifth) = (
            try #require(columns[0]), try #require(columns[1]), try #require(columns[2]), try #require(columns[3])
        )
        #expect(second == fourth)
        #expect(first < second && second < fifth)
    }
}
