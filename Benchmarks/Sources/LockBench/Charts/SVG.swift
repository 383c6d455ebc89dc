import Foundation

/// Builds the text of an SVG drawing.
struct SVG {
    private var lines: [String]

    init(width: Double, height: Double, title: String) {
        lines = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.number(width)) \(Self.number(height))" \
            width="\(Self.number(width))" height="\(Self.number(height))" role="img">
            """,
            "<title>\(Self.escaped(title))</title>",
            Self.style,
        ]
    }

    /// The content of the file.
    var text: String {
        (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, class name: String, radius: Double = 0) {
        lines.append(
            """
            <rect x="\(Self.number(x))" y="\(Self.number(y))" width="\(Self.number(width))" height="\(Self.number(height))" \
            rx="\(Self.number(radius))" class="\(name)"/>
            """
        )
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, class name: String) {
        lines.append(
            """
            <line x1="\(Self.number(x1))" y1="\(Self.number(y1))" x2="\(Self.number(x2))" y2="\(Self.number(y2))" class="\(name)"/>
            """
        )
    }

    mutating func text(_ content: String, _ x: Double, _ y: Double, class name: String, anchor: String = "start") {
        lines.append(
            """
            <text x="\(Self.number(x))" y="\(Self.number(y))" class="\(name)" text-anchor="\(anchor)">\(Self.escaped(content))</text>
            """
        )
    }

    /// Text has a contrast of at least 4.5 to 1. Readers who can't distinguish red and green can distinguish the colours.
    private static let style = """
        <style>
        text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
        .ground { fill: #ffffff; }
        .title { font-size: 17px; font-weight: 600; fill: #1f2328; }
        .note { font-size: 12px; fill: #59636e; }
        .label { font-size: 13px; fill: #1f2328; }
        .strong { font-weight: 600; }
        .ours { fill: #d9601a; }
        .theirs { fill: #8c959f; }
        .grid { stroke: #d1d9e0; stroke-width: 1; }
        .spread { stroke: #1f2328; stroke-width: 1.2; }
        @media (prefers-color-scheme: dark) {
        .ground { fill: #0d1117; }
        .title, .label { fill: #f0f6fc; }
        .note { fill: #9198a1; }
        .ours { fill: #f0883e; }
        .theirs { fill: #6e7681; }
        .grid { stroke: #30363d; }
        .spread { stroke: #f0f6fc; }
        }
        </style>
        """

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : String(format: "%.1f", value)
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;")
            .replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }
}
