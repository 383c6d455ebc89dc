import Foundation
import PostgresLock

/// A page of HTML that needs no other file: the picture, which can be searched and enlarged, and the waits as a table. A large picture is shown from
/// its first ring on, or from what was searched.
struct GraphPage {
    let graph: WaitGraph
    let database: String

    var text: String {
        let time = (graph.time ?? Date()).ISO8601Format()
        let title = "Locks of \(GraphSVG.escaped(database))"
        let ring = graph.rings.isEmpty ? "" : "<p class=\"alarm\"><strong>Ring.</strong> \(GraphSVG.escaped(WaitGraph.ringNote))</p>"
        let hidden = graph.isAnyHidden ? "<p>Of other roles' sessions some facts are hidden from the role that has looked.</p>" : ""
        let standby = graph.standbyNote.map { "<p class=\"alarm\">\(GraphSVG.escaped($0))</p>" } ?? ""
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>\(title)</title>
            <style>
            body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;margin:0;color:#1f2933;background:#fff}
            header,main{padding:16px 24px}header{border-bottom:1px solid #d5dae0}h1{font-size:20px;margin:0}p{margin:6px 0;max-width:75ch}
            .alarm{border-left:4px solid #c62828;padding-left:12px}
            .tools{display:flex;gap:8px;align-items:center;margin:12px 0}input{font:inherit;padding:4px 8px;min-width:18em}
            button{font:inherit;padding:4px 10px}.picture{overflow:auto;border:1px solid #d5dae0;max-height:75vh}
            table{border-collapse:collapse;margin-top:16px}th,td{text-align:left;padding:4px 16px 4px 0;border-bottom:1px solid #e4e7eb;vertical-align:top}
            .dim{opacity:.15}tr.dim{display:none}tr.ring td:first-child{color:#c62828;font-weight:600}
            </style></head><body>
            <header><h1>\(title)</h1><p>\(GraphSVG.escaped(graph.summary)). Seen \(time), by pglock graph.</p>\(standby)\(ring)\(hidden)</header>
            <main>
            <div class="tools"><input id="filter" type="search" placeholder="Lock, program, host or pid" aria-label="Filter">\
            <button id="out" aria-label="Smaller">&minus;</button><button id="in" aria-label="Larger">+</button></div>
            <div class="picture">\(GraphSVG(graph: graph).text(standsAlone: false))</div>
            <table><thead><tr><th>Lock</th><th>State</th><th>Instance</th><th>pid</th><th>Mode</th><th>Since</th></tr></thead><tbody>
            \(rows)
            </tbody></table>
            </main>
            <script>
            const picture=document.querySelector('svg'),width=picture.width.baseVal.value,height=picture.height.baseVal.value;let scale=1;
            function zoom(by){scale=Math.min(4,Math.max(.2,scale*by));picture.setAttribute('width',width*scale);picture.setAttribute('height',height*scale)}
            document.getElementById('in').onclick=()=>zoom(1.25);document.getElementById('out').onclick=()=>zoom(.8);
            document.getElementById('filter').oninput=event=>{const text=event.target.value.toLowerCase();
            for(const part of document.querySelectorAll('svg g, tbody tr'))part.classList.toggle('dim',!part.textContent.toLowerCase().includes(text));
            show(document.querySelector(text?'svg g:not(.dim)':'svg g.ring'))};
            function show(part){if(!part)return;const frame=document.querySelector('.picture'),at=part.getBoundingClientRect(),all=frame.getBoundingClientRect();
            frame.scrollBy(at.x+at.width/2-all.x-all.width/2,at.y+at.height/2-all.y-all.height/2)}
            show(document.querySelector('svg g.ring'));
            </script>
            </body></html>

            """
    }

    private var rows: String {
        graph.links.map { link in
            let cells = [
                graph.locks[link.lock].name, link.isHold ? "held" : "waits", graph.parties[link.party].name,
                link.processID.map(String.init) ?? "prepared", "\(LockMode(core: link.mode))", link.age ?? "-",
            ]
            return "<tr\(link.isInRing ? " class=\"ring\"" : "")>" + cells.map { "<td>\(GraphSVG.escaped($0))</td>" }.joined() + "</tr>"
        }.joined(separator: "\n")
    }
}
