/// Parses the table that `psql --csv` prints.
///
/// This format quotes values with a comma, a quote or a line break. In psql's other formats values can be ambiguous.
enum CSVRows {
    static func parse(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var value: [UInt8] = []
        var isQuoted = false
        var bytes = text.utf8.makeIterator()
        var next = bytes.next()
        while let byte = next {
            next = bytes.next()
            switch byte {
            case UInt8(ascii: "\"") where isQuoted && next == UInt8(ascii: "\""):
                value.append(byte)
                next = bytes.next()
            case UInt8(ascii: "\""):
                isQuoted.toggle()
            case _ where isQuoted:
                value.append(byte)
            case UInt8(ascii: ","), UInt8(ascii: "\n"):
                row.append(String(decoding: value, as: UTF8.self))
                value = []
                guard byte == UInt8(ascii: "\n") else { break }
                rows.append(row)
                row = []
            default:
                value.append(byte)
            }
        }
        return rows
    }
}
