/// Columns of text, as wide as they need to be.
struct TextTable {
    private var rows: [[String]]
    private let numbers: Set<Int>

    /// - Parameter numbers: The columns that are set to the right.
    init(_ titles: [String], numbers: Set<Int> = []) {
        rows = [titles]
        self.numbers = numbers
    }

    mutating func add(_ row: [String]) { rows.append(row.map(Clean.text)) }

    /// - Parameter width: Where lines are cut off; `nil` for nowhere.
    func lines(width: Int? = nil) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let fill = String(repeating: " ", count: widths[column] - row[column].count)
                return numbers.contains(column) ? fill + row[column] : row[column] + fill
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return width.map { String(line.prefix($0)) } ?? line
        }
    }
}
