import LockCore
import PostgresLock

extension WaitGraph {
    /// For a terminal.
    var text: String {
        let notes = [standbyNote].compactMap(\.self)
        guard !isEmpty else { return (["No session waits for a lock."] + notes).joined(separator: "\n") }
        var lines: [String] = []
        for (number, lock) in locks.enumerated() {
            lines.append(lock.name + (lock.isInRing ? "   << ring" : ""))
            for link in links where link.lock == number {
                let verb = link.isHold ? "held by " : "waits   "
                let time = link.age.map { link.isHold ? "since \($0)" : "for \($0)" }
                let facts = [link.processID.map { "pid \($0)" } ?? "prepared", "\(LockMode(core: link.mode))", time].compactMap(\.self)
                lines.append(
                    "  \(verb)  \(parties[link.party].name)  (\(facts.joined(separator: ", ")))" + (link.isInRing ? "   << ring" : "")
                )
            }
        }
        if !rings.isEmpty { lines.append("") }
        for ring in rings { lines.append("ring: " + (ring + ring.prefix(1)).map { parties[$0].name }.joined(separator: "  ->  ")) }
        lines += ["", summary + "."]
        if !rings.isEmpty { lines.append(Self.ringNote) }
        lines += notes
        return lines.joined(separator: "\n")
    }

    /// For Graphviz.
    var dot: String {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        let red = "color=\"#c62828\", fontcolor=\"#c62828\", penwidth=2"
        var lines = [
            "digraph locks {", "  rankdir=LR;", "  node [fontname=\"Helvetica\", fontsize=11];",
            "  edge [fontname=\"Helvetica\", fontsize=9];",
        ]
        if let standbyNote { lines.append("  label=\(quoted(standbyNote));") }
        for (number, party) in parties.enumerated() {
            let label = ([party.name] + party.shownProcesses).joined(separator: "\n")
            lines.append(
                "  p\(number) [shape=box, label=\(quoted(label).replacing("\n", with: "\\n"))\(party.isInRing ? ", \(red)" : "")];"
            )
        }
        for (number, lock) in locks.enumerated() {
            lines.append(
                "  l\(number) [shape=ellipse, style=filled, fillcolor=\"#eceff1\", label=\(quoted(lock.name))\(lock.isInRing ? ", \(red)" : "")];"
            )
        }
        for link in links {
            let label = [link.mode == .shared ? "shared" : nil, link.age].compactMap(\.self).joined(separator: ", ")
            let (from, to) = link.isHold ? ("l\(link.lock)", "p\(link.party)") : ("p\(link.party)", "l\(link.lock)")
            let style = link.isHold ? "" : ", style=dashed"
            lines.append("  \(from) -> \(to) [label=\(quoted(label))\(style)\(link.isInRing ? ", \(red)" : "")];")
        }
        return (lines + ["}"]).joined(separator: "\n")
    }
}

extension WaitGraph.Party {
    /// The processes of its sessions, in one line, if there are any.
    var shownProcesses: [String] {
        guard !processIDs.isEmpty else { return [] }
        let first = processIDs.sorted().prefix(4).map(String.init).joined(separator: ", ")
        return ["pid \(first)" + (processIDs.count > 4 ? ", …" : "")]
    }
}
