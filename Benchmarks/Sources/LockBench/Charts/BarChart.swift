/// Horizontal bars with labels, values and their spread, drawn as SVG.
///
/// It follows the reader's light or dark mode by a media query, which browsers also apply inside `<img>`.
struct BarChart {
    struct Bar {
        let label: String
        let value: Double
        let range: ClosedRange<Double>
        let isOurs: Bool
    }

    let title: String
    /// What the bars show, and in which unit.
    let measure: String
    let circumstances: String
    let bars: [Bar]

    private static let width = 860.0
    private static let top = 74.0
    private static let pitch = 30.0
    private static let thickness = 18.0
    /// The width of the values right of the longest bar.
    private static let valueWidth = 92.0
    private static let bottom = 36.0
    private static let margin = 20.0

    /// Where the bars begin. The width of text is unknown before it is drawn, so it is estimated generously.
    private var left: Double {
        Self.margin + (bars.map { Double($0.label.count) }.max() ?? 0) * 7.3 + 12
    }

    private var right: Double { Self.width - Self.margin - Self.valueWidth }
    private var end: Double { Self.top + Double(bars.count) * Self.pitch }

    var svg: String {
        let scale = Scale(bars.flatMap { [$0.value, $0.range.lowerBound, $0.range.upperBound] })
        var svg = SVG(width: Self.width, height: end + Self.bottom, title: title)
        svg.rectangle(0, 0, Self.width, end + Self.bottom, class: "ground", radius: 6)
        svg.text(title, Self.margin, 30, class: "title")
        svg.text("\(measure) · \(circumstances)" + (scale.isLogarithmic ? " · logarithmic" : ""), Self.margin, 50, class: "note")
        for tick in scale.ticks {
            let x = position(tick, scale)
            svg.line(x, Self.top - 6, x, end, class: "grid")
            svg.text(Self.short(tick), x, end + 18, class: "note", anchor: "middle")
        }
        for (index, bar) in bars.enumerated() {
            draw(bar, y: Self.top + Double(index) * Self.pitch, scale, into: &svg)
        }
        return svg.text
    }

    private func position(_ value: Double, _ scale: Scale) -> Double {
        left + scale.position(value) * (right - left)
    }

    private func draw(_ bar: Bar, y: Double, _ scale: Scale, into svg: inout SVG) {
        let kind = bar.isOurs ? "ours" : "theirs"
        let middle = y + Self.thickness / 2
        let low = position(bar.range.lowerBound, scale)
        let high = position(bar.range.upperBound, scale)
        let end = position(bar.value, scale)
        svg.text(bar.label, left - 10, middle + 4.5, class: bar.isOurs ? "label strong" : "label", anchor: "end")
        svg.rectangle(left, y, max(end - left, 1), Self.thickness, class: kind, radius: 2)
        if high - low > 2 {
            svg.line(low, middle, high, middle, class: "spread")
            svg.line(low, middle - 4, low, middle + 4, class: "spread")
            svg.line(high, middle - 4, high, middle + 4, class: "spread")
        }
        svg.text(Numbers.text(bar.value), max(end, high) + 8, middle + 4.5, class: bar.isOurs ? "label strong" : "label")
    }

    /// 10,000 as "10k".
    private static func short(_ value: Double) -> String {
        switch value {
        case 1_000_000...: "\(trimmed(value / 1_000_000))M"
        case 1000...: "\(trimmed(value / 1000))k"
        default: trimmed(value)
        }
    }

    private static func trimmed(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : Numbers.text(value)
    }
}
