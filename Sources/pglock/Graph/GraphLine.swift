/// The way of a line from one box to another: a curve in each gap between columns, and a straight piece past the boxes of each column between.
struct GraphLine {
    struct Point {
        let x: Double
        let y: Double
    }

    /// A cubic Bézier curve, which is level at both ends, and does not leave the gap.
    struct Curve {
        let start: Point
        let end: Point

        fileprivate var firstX: Double { start.x + (end.x - start.x) / 2 }
        fileprivate var secondX: Double { end.x - (end.x - start.x) / 2 }

        /// - Parameter position: From 0 to 1.
        func point(at position: Double) -> Point {
            let rest = 1 - position
            let weights = [rest * rest * rest, 3 * rest * rest * position, 3 * rest * position * position, position * position * position]
            func sum(_ values: [Double]) -> Double { zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 } }
            return Point(x: sum([start.x, firstX, secondX, end.x]), y: sum([start.y, start.y, end.y, end.y]))
        }
    }

    /// Each one begins at the height at which the one before has ended.
    let curves: [Curve]

    /// - Parameter number: That of the link.
    init?(_ number: Int, of graph: WaitGraph, _ layout: GraphLayout) {
        let link = graph.links[number]
        let (party, lock) = (GraphLayout.Node.party(link.party), GraphLayout.Node.lock(link.lock))
        let (from, to) = link.isHold ? (lock, party) : (party, lock)
        guard let start = layout.positions[from], let end = layout.positions[to] else { return nil }
        let isBack = end.x <= start.x
        var last = Point(x: isBack ? start.x : start.x + GraphLayout.boxWidth, y: start.y + GraphLayout.height(of: from) / 2)
        var curves: [Curve] = []
        for lane in layout.lanes[number] ?? [] {
            curves.append(Curve(start: last, end: Point(x: lane.x, y: lane.y)))
            last = Point(x: lane.x + GraphLayout.boxWidth, y: lane.y)
        }
        let target = Point(x: isBack ? end.x + GraphLayout.boxWidth : end.x, y: end.y + GraphLayout.height(of: to) / 2)
        self.curves = curves + [Curve(start: last, end: target)]
    }

    /// For SVG.
    var path: String {
        curves.enumerated().map { index, curve in
            let (start, end) = (curve.start, curve.end)
            let begin = "\(index == 0 ? "M" : "L")\(Self.number(start.x)) \(Self.number(start.y))"
            let first = "\(Self.number(curve.firstX)) \(Self.number(start.y))"
            let second = "\(Self.number(curve.secondX)) \(Self.number(end.y))"
            return "\(begin)C\(first) \(second) \(Self.number(end.x)) \(Self.number(end.y))"
        }.joined()
    }

    /// For SVG, with one digit behind the point at most.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }
}
