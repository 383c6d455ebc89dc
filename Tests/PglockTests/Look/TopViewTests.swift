import Foundation
import LockCore
import PostgresLock
import Testing

@testable import pglock

@Suite("What pglock top shows")
struct TopViewTests {
    private static func view() -> TopView {
        var names = KeyNames(database: "app")
        for (name, number) in [("few", 1), ("many", 2)] { names.add(name, LockKey(number: Int64(number))) }
        var view = TopView(database: "app", names: names)
        typealias Graph = WaitGraphTests
        view.found = LockLook.Found(locks: [
            Graph.lock(1, Graph.session(1, "holder of few"), held: true), Graph.lock(1, Graph.session(2), held: false),
            Graph.lock(2, Graph.session(3, "holder of many"), held: true), Graph.lock(2, Graph.session(4), held: false),
            Graph.lock(2, Graph.session(5), held: false),
        ])
        return view
    }

    @Test("the lock with the most waits comes first")
    func order() {
        let lines = Self.view().lines(width: nil, height: nil)
        #expect(lines[0].contains("3 waiting for 2 locks"))
        #expect(lines[2].contains("many") && lines[2].contains("2") && lines[2].contains("holder of many (pid 3)"))
        #expect(lines[3].contains("few"))
    }

    @Test("a lock is selected by keys, and looked into")
    func select() {
        var view = Self.view()
        #expect(view.lines(width: 80, height: 24).contains { $0.hasPrefix(">  many") })
        _ = view.handle(.down)
        _ = view.handle(.down)
        #expect(view.lines(width: 80, height: 24).contains { $0.hasPrefix(">  few") })
        _ = view.handle(.enter)
        #expect(view.lines(width: 80, height: 24).contains { $0.contains("held by") && $0.contains("holder of few") })
        _ = view.handle(.enter)
        _ = view.handle(.up)
        #expect(view.lines(width: 80, height: 24).contains { $0.hasPrefix(">  many") })
    }

    @Test("a filter is typed, corrected, kept and left")
    func filter() {
        var view = Self.view()
        for key in [TerminalKey.character("/"), .character("F"), .character("x"), .backspace, .character("e")] { _ = view.handle(key) }
        let typed = view.lines(width: nil, height: 24)
        #expect(typed[1] == "filter: Fe_")
        #expect(typed.contains { $0.contains("few") } && !typed.contains { $0.contains("many") })
        _ = view.handle(.enter)
        #expect(!view.lines(width: nil, height: 24).contains { $0.contains("many") })
        for key in [TerminalKey.character("/"), .enter] { _ = view.handle(key) }
        #expect(view.lines(width: nil, height: 24).contains { $0.contains("many") })
        for key in [TerminalKey.character("/"), .character("q"), .escape] { #expect(isRedraw(view.handle(key))) }
        #expect(view.lines(width: nil, height: 24).contains { $0.contains("many") })
    }

    private func isRedraw(_ step: TopView.Step) -> Bool { if case .redraw = step { true } else { false } }

    @Test("q and Ctrl-C quit, also while a filter is typed; space looks at once")
    func ends() {
        var view = Self.view()
        if case .look = view.handle(.character(" ")) {} else { Issue.record("Space does not look.") }
        if case .quit = view.handle(.character("q")) {} else { Issue.record("q does not quit.") }
        _ = view.handle(.character("/"))
        if case .quit = view.handle(.interrupt) {} else { Issue.record("Ctrl-C does not quit.") }
    }

    @Test("nothing is longer than the screen, or wider")
    func size() {
        for (width, height) in [(20, 4), (80, 24), (1, 1)] {
            var view = Self.view()
            for _ in 0..<2 {
                let lines = view.lines(width: width, height: height)
                #expect(lines.count <= height && lines.allSatisfy { $0.count <= width })
                _ = view.handle(.enter)
            }
        }
    }

    @Test("what does not fit on the screen is counted, a long name leaves room for the numbers, and the selection stays in view")
    func crowded() {
        typealias Graph = WaitGraphTests
        var names = KeyNames(database: "app")
        // It comes before the numbers.
        names.add(String(repeating: "/long-name", count: 20), LockKey(number: 0))
        var view = TopView(database: "a\u{1B}[2Jpp", names: names)
        view.found = LockLook.Found(
            locks: (0..<30).flatMap { key in
                [Graph.lock(Int64(key), Graph.session(1, "holder"), held: true), Graph.lock(Int64(key), Graph.session(2), held: false)]
            }
        )
        let lines = view.lines(width: 80, height: 24)
        #expect(lines.count == 24 && lines.last == "… 11 more lines", "\(lines)")
        #expect(!lines[0].contains("\u{1B}"))
        #expect(lines.contains { $0.contains("long-name/") && $0.contains("…") && $0.contains("holder") }, "\(lines)")
        for _ in 0..<30 {
            _ = view.handle(.down)
            #expect(view.lines(width: 80, height: 24).contains { $0.hasPrefix(">") })
        }
    }
}
