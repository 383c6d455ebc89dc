import Foundation
import LockCore
import PostgresLock

/// Draws a graph as SVG.
struct GraphSVG {
    let graph: WaitGraph

    /// The picture, with an XML declaration if it is to stand alone.
    func text(standsAlone: Bool) -> String {
        let layout = GraphLayout(graph)
        guard !graph.isEmpty else {
            let text = "<text x=\"24\" y=\"40\">No session waits for a lock.</text>"
            return frame(text + standbyNote(at: 60), 320, graph.standbyNote == nil ? 70 : 90, standsAlone)
        }
        // Lines first, so that boxes cover their ends.
        var counts: [Int: Int] = [:]
        var parts = graph.links.map { link in
            counts[link.party, default: -1] += 1
            return line(link, counts[link.party] ?? 0, layout)
        }
        for (number, party) in graph.parties.enumerated() { parts.append(box(party, .party(number), layout)) }
        for (number, lock) in graph.locks.enumerated() { parts.append(box(lock, .lock(number), layout)) }
        let legend = """
            <text class="legend" x="\(GraphLayout.margin)" y="\(number(layout.height + 14))">dashed: waits for; solid: held by; \
            red: ring. \(Self.escaped(graph.summary)).</text>
            """
        let content = (parts + [legend]).joined(separator: "\n") + standbyNote(at: layout.height + 30)
        return frame(content, layout.width, layout.height + (graph.standbyNote == nil ? 32 : 48), standsAlone)
    }

    private func standbyNote(at y: Double) -> String {
        graph.standbyNote == nil
            ? "" : "\n<text class=\"legend\" x=\"\(GraphLayout.margin)\" y=\"\(number(y))\">\(StandbyNote.short)</text>"
    }

    private func frame(_ content: String, _ width: Double, _ height: Double, _ standsAlone: Bool) -> String {
        (standsAlone ? "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" : "") + """
            <svg xmlns="http://www.w3.org/2000/svg" class="graph" width="\(number(width))" height="\(number(height))" \
            viewBox="0 0 \(number(width)) \(number(height))" role="img" aria-label="\(Self.escaped(graph.summary))">
            <style>\(Self.style)</style>
            <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker>
            <marker id="ring-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="ring-head" d="M0 0L8 4L0 8z"/></marker>
            </defs>
            <rect class="ground" width="100%" height="100%"/>
            \(content)
            </svg>

            """
    }

    static let style = """
        .graph{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}.graph .ground{fill:#fff}\
        .graph text{fill:#1f2933}.graph .minor,.graph .legend{fill:#52606d;font-size:11px}\
        .graph .party rect{fill:#f5f7fa;stroke:#7b8794}.graph .lock rect{fill:#e3eefb;stroke:#2b6cb0}.graph .lock text{font-weight:600}\
        .graph .line{fill:none;stroke:#7b8794;stroke-width:1.4}.graph .wait{stroke-dasharray:5 4}.graph .head{fill:#7b8794}\
        .graph .label{font-size:10.5px;fill:#52606d;paint-order:stroke;stroke:#fff;stroke-width:4px}\
        .graph .ring rect{stroke:#c62828;stroke-width:2;fill:#fdecea}.graph .ring.line{stroke:#c62828;stroke-width:2}.graph .ring-head{fill:#c62828}
        """

    private func box(_ party: WaitGraph.Party, _ node: GraphLayout.Node, _ layout: GraphLayout) -> String {
        guard let (x, y) = layout.positions[node] else { return "" }
        return """
            <g class="party\(party.isInRing ? " ring" : "")"><title>\(Self.escaped(party.name))</title>\
            <rect x="\(number(x))" y="\(number(y))" width="\(number(GraphLayout.boxWidth))" height="\(number(GraphLayout.boxHeight))" rx="4"/>\
            <text x="\(number(x + 10))" y="\(number(y + 17))">\(Self.escaped(Self.short(party.name, 38)))</text>\
            <text class="minor" x="\(number(x + 10))" y="\(number(y + 32))">\(Self.escaped(party.shownProcesses.first ?? "prepared transaction"))</text></g>
            """
    }

    private func box(_ lock: WaitGraph.Lock, _ node: GraphLayout.Node, _ layout: GraphLayout) -> String {
        guard let (x, y) = layout.positions[node] else { return "" }
        return """
            <g class="lock\(lock.isInRing ? " ring" : "")"><title>\(Self.escaped(lock.name))</title>\
            <rect x="\(number(x))" y="\(number(y))" width="\(number(GraphLayout.boxWidth))" height="\(number(GraphLayout.lockHeight))" rx="15"/>\
            <text x="\(number(x + GraphLayout.boxWidth / 2))" y="\(number(y + 20))" text-anchor="middle">\(Self.escaped(Self.short(lock.name, 36)))</text></g>
            """
    }

    /// - Parameter index: How many lines of the same party were drawn before.
    private func line(_ link: WaitGraph.Link, _ index: Int, _ layout: GraphLayout) -> String {
        let (from, to): (GraphLayout.Node, GraphLayout.Node) =
            link.isHold ? (.lock(link.lock), .party(link.party)) : (.party(link.party), .lock(link.lock))
        guard let start = layout.positions[from], let end = layout.positions[to] else { return "" }
        let (startY, endY) = (start.y + GraphLayout.height(of: from) / 2, end.y + GraphLayout.height(of: to) / 2)
        let isBack = end.x <= start.x
        let startX = isBack ? start.x : start.x + GraphLayout.boxWidth
        let endX = isBack ? end.x + GraphLayout.boxWidth : end.x
        let bend = (isBack ? -1 : 1) * max(40, abs(endX - startX) / 2)
        let path =
            "M\(number(startX)) \(number(startY))C\(number(startX + bend)) \(number(startY)) \(number(endX - bend)) \(number(endY)) \(number(endX)) \(number(endY))"
        let ring = link.isInRing ? " ring" : ""
        let label = [link.mode == .shared ? "shared" : nil, link.age].compactMap(\.self).joined(separator: ", ")
        // Near the session's end, where lines that come together are apart.
        let position = link.isHold ? 0.8 : 0.2 + 0.12 * Double(index % 4)
        let x = Self.curve(position, startX, startX + bend, endX - bend, endX)
        let y = Self.curve(position, startY, startY, endY, endY) - 4
        let text =
            label.isEmpty
            ? "" : "<text class=\"label\" x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"middle\">\(Self.escaped(label))</text>"
        return """
            <path class="line\(link.isHold ? "" : " wait")\(ring)" d="\(path)" marker-end="url(#\(link.isInRing ? "ring-" : "")arrow)"/>\(text)
            """
    }

    /// A coordinate of a cubic Bézier curve.
    private static func curve(_ position: Double, _ start: Double, _ first: Double, _ second: Double, _ end: Double) -> Double {
        let rest = 1 - position
        return rest * rest * rest * start + 3 * rest * rest * position * first + 3 * rest * position * position * second
            + position * position * position * end
    }

    private func number(_ value: Double) -> String { String(format: "%g", (value * 10).rounded() / 10) }

    private static func short(_ text: String, _ most: Int) -> String {
        text.count > most ? "\(text.prefix(most * 2 / 3))…\(text.suffix(most / 3 - 1))" : text
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
