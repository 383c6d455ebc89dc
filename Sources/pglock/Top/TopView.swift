import Foundation
import LockCore
import PostgresLock

/// What `pglock top` shows, and what keys do to it. It does no input or output.
struct TopView {
    enum Step {
        case redraw
        case look
        case quit
    }

    /// A lock that is waited for.
    private struct Row {
        let key: AdvisoryKey
        let name: String
        let holders: [SeenLock]
        let waiters: [SeenLock]
    }

    var found = LockLook.Found()
    private let database: String
    private let names: KeyNames
    private var selected: AdvisoryKey?
    private var isInside = false
    private var filter = ""
    /// While a filter is being typed.
    private var typed: String?

    init(database: String, names: KeyNames) {
        self.database = Clean.text(database)
        self.names = names
    }

    private var rows: [Row] {
        let rows = Dictionary(grouping: found.locks, by: \.key).map { key, locks in
            Row(key: key, name: names.text(key), holders: locks.filter(\.isHeld), waiters: locks.filter { !$0.isHeld })
        }
        let text = (typed ?? filter).lowercased()
        let shown =
            text.isEmpty
            ? rows
            : rows.filter { row in
                row.name.lowercased().contains(text) || (row.holders + row.waiters).contains { $0.session.name.lowercased().contains(text) }
            }
        return shown.sorted { ($1.waiters.count, $0.name, $0.key) < ($0.waiters.count, $1.name, $1.key) }
    }

    // MARK: Keys

    mutating func handle(_ key: TerminalKey) -> Step {
        if case .interrupt = key { return .quit }
        if let text = typed {
            switch key {
            case .enter: (filter, typed) = (text, nil)
            case .escape: typed = nil
            case .backspace: typed = String(text.dropLast())
            case .character(let character): typed = text + String(character)
            case .up, .down, .interrupt: break
            }
            return .redraw
        }
        switch key {
        case .character("q"): return .quit
        case .character(" "): return .look
        case .character("/"): typed = ""
        case .up, .character("k"): move(by: -1)
        case .down, .character("j"): move(by: 1)
        case .enter: isInside = !isInside && selected(of: rows) != nil
        case .escape: isInside = false
        case .backspace, .character, .interrupt: break
        }
        return .redraw
    }

    private mutating func move(by step: Int) {
        let rows = rows
        guard !rows.isEmpty, !isInside else { return }
        let index = rows.firstIndex { $0.key == selected } ?? 0
        selected = rows[min(max(index + step, 0), rows.count - 1)].key
    }

    private func selected(of rows: [Row]) -> Row? { rows.first { $0.key == selected } ?? rows.first }

    // MARK: Lines

    /// - Parameters:
    ///   - width: Where lines are cut off.
    ///   - height: How many lines there may be; `nil` for any number, and no selection.
    func lines(width: Int?, height: Int?) -> [String] {
        let rows = rows
        let waits = rows.reduce(0) { $0 + $1.waiters.count }
        let time = found.time.map { $0.ISO8601Format() }
        let head =
            "pglock top  \(database)  \([time, "\(waits) waiting for \(rows.count) lock\(rows.count == 1 ? "" : "s")"].compactMap(\.self).joined(separator: "  "))"
        var lines = [head] + (found.isStandby ? [StandbyNote.short] : [])
        if height != nil {
            lines.append(
                typed.map { "filter: \($0)_" }
                    ?? (filter.isEmpty ? "q quit  / filter  Enter look into" : "filter: \(filter)   (/ changes it)")
            )
        }
        if isInside, let row = selected(of: rows), let height {
            lines += ["", ""] + LockReport(row.key, found, names, nil).text.split(separator: "\n").map(String.init)
            return cut(lines, width, height)
        }
        guard !rows.isEmpty else { return cut(lines + (height == nil ? [] : [""]) + ["No session waits for a lock."], width, height) }
        var table = TextTable(["", "LOCK", "WAITING", "LONGEST", "HELD SINCE", "HOLDER"], numbers: [2])
        let marked = height == nil ? nil : selected(of: rows)?.key
        let first = height.map { max(0, (rows.firstIndex { $0.key == marked } ?? 0) - max(0, $0 - (found.isStandby ? 7 : 6))) } ?? 0
        for row in rows[first...] {
            let oldest = row.waiters.compactMap(\.since).min()
            let holder = row.holders.first
            table.add([
                row.key == marked ? ">" : "", Self.short(row.name, width), "\(row.waiters.count)",
                Age.text(from: oldest, to: found.time) ?? "-", Age.text(from: holder?.since, to: found.time) ?? "-",
                self.holder(row.holders),
            ])
        }
        return cut(lines + (height == nil ? [] : [""]) + table.lines(width: width), width, height)
    }

    /// A long name leaves room for the numbers beside it.
    private static func short(_ name: String, _ width: Int?) -> String {
        guard let width, case let most = max(12, width / 3), name.count > most else { return name }
        return "\(name.prefix(most * 2 / 3))…\(name.suffix(most - most * 2 / 3 - 1))"
    }

    private func holder(_ holders: [SeenLock]) -> String {
        guard let first = holders.first else { return "-" }
        let pid = first.session.processID.map { " (pid \($0))" } ?? ""
        return "\(first.session.name)\(pid)" + (holders.count > 1 ? " and \(holders.count - 1) more" : "")
    }

    private func cut(_ lines: [String], _ width: Int?, _ height: Int?) -> [String] {
        var shown = lines
        if let height, lines.count > height {
            shown = Array(lines.prefix(height - 1)) + ["… \(lines.count - height + 1) more lines"]
        }
        return width.map { width in shown.map { String($0.prefix(width)) } } ?? shown
    }
}
