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
        var parts = graph.links.enumerated().map { number, link in
            counts[link.party, default: -1] += 1
            return line(number, link, counts[link.party] ?? 0, layout)
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
    private func line(_ number: Int, _ link: WaitGraph.Link, _ index: Int, _ layout: GraphLayout) -> String {
        guard let line = GraphLine(number, of: graph, layout), let first = line.curves.first, let last = line.curves.last else { return "" }
        let ring = link.isInRing ? " ring" : ""
        let label = [link.mode == .shared ? "shared" : nil, link.age].compactMap(\.self).joined(separator: ", ")
        // Near the session's end, where lines that come together are apart.
        let place = link.isHold ? last.point(at: 0.8) : first.point(at: 0.2 + 0.12 * Double(index % 4))
        let (x, y) = (GraphLine.number(place.x), GraphLine.number(place.y - 4))
        let text =
            label.isEmpty ? "" : "<text class=\"label\" x=\"\(x)\" y=\"\(y)\" text-anchor=\"middle\">\(Self.escaped(label))</text>"
        return """
            <path class="line\(link.isHold ? "" : " wait")\(ring)" d="\(line.path)" marker-end="url(#\(link.isInRing ? "ring-" : "")arrow)"/>\(text)
            """
    }

    private func number(_ value: Double) -> String { GraphLine.number(value) }

    private static func short(_ text: String, _ most: Int) -> String {
        text.count > most ? "\(text.prefix(most * 2 / 3))…\(text.suffix(most / 3 - 1))" : text
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
