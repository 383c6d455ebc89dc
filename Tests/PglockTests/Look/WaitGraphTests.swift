import Foundation
import LockCore
import PostgresLock
import Testing

@testable import pglock

@Suite("Graphs of waits")
struct WaitGraphTests {
    static func session(_ pid: Int32, _ name: String? = nil) -> SeenSession {
        SeenSession(processID: pid, name: name ?? "p@h:\(pid) #aaaa\(pid % 10)", role: "app", start: Date(timeIntervalSince1970: 0))
    }

    static func lock(_ key: Int64, _ session: SeenSession, held: Bool, _ mode: Mode = .exclusive) -> SeenLock {
        SeenLock(key: AdvisoryKey(key), mode: mode, isHeld: held, session: session, isContended: true)
    }

    static func graph(_ locks: [SeenLock]) -> WaitGraph {
        var names = KeyNames(database: "app")
        for (name, number) in [("a", 1), ("b", 2), ("c", 3)] { names.add(name, LockKey(number: Int64(number))) }
        return WaitGraph(LockLook.Found(locks: locks), names)
    }

    @Test("two that wait for each other are a ring; a third one that waits for them is not in it")
    func ring() {
        let (one, two, three) = (Self.session(1), Self.session(2), Self.session(3))
        let graph = Self.graph([
            Self.lock(1, one, held: true), Self.lock(1, two, held: false), Self.lock(2, two, held: true), Self.lock(2, one, held: false),
            Self.lock(2, three, held: false),
        ])
        #expect(graph.rings.map { $0.map { graph.parties[$0].name } } == [[one.name, two.name]])
        #expect(graph.parties.map(\.isInRing) == [true, true, false])
        #expect(graph.locks.map(\.isInRing) == [true, true])
        #expect(graph.links.map(\.isInRing) == [true, true, true, true, false])
        #expect(graph.text.contains("ring: \(one.name)  ->  \(two.name)  ->  \(one.name)"))
        #expect(graph.summary == "3 sessions wait for 2 locks; 1 ring")
    }

    @Test("three that wait for each other are a ring, named in the order of the waits; others that wait for them are not in it")
    func ringOfThree() {
        let (one, two, three, outside) = (Self.session(1), Self.session(2), Self.session(3), Self.session(4))
        let graph = Self.graph([
            Self.lock(1, one, held: true), Self.lock(1, two, held: false), Self.lock(1, outside, held: false),
            Self.lock(2, three, held: true), Self.lock(2, one, held: false),
            Self.lock(3, two, held: true), Self.lock(3, three, held: false),
        ])
        #expect(graph.text.contains("ring: \(one.name)  ->  \(three.name)  ->  \(two.name)  ->  \(one.name)"), "\(graph.text)")
        #expect(graph.rings.count == 1 && graph.summary == "4 sessions wait for 3 locks; 1 ring")
        #expect(graph.parties.filter { !$0.isInRing }.map(\.name) == [outside.name])
        #expect(graph.links.count { !$0.isInRing } == 1 && graph.locks.allSatisfy(\.isInRing))
        let broken = Self.graph([
            Self.lock(1, one, held: true), Self.lock(1, two, held: false), Self.lock(2, three, held: true), Self.lock(2, one, held: false),
            Self.lock(3, two, held: true),
        ])
        #expect(broken.rings.isEmpty)
    }

    @Test("rings that share a party are named each; a manager that waits for a session of its own is in none")
    func rings() {
        let (one, two, three) = (Self.session(1), Self.session(2), Self.session(3))
        let second = SeenSession(processID: 9, name: one.name, role: one.role, start: one.start)
        let graph = Self.graph([
            Self.lock(1, one, held: true), Self.lock(1, two, held: false), Self.lock(1, three, held: false),
            Self.lock(1, second, held: false), Self.lock(2, two, held: true), Self.lock(2, one, held: false),
            Self.lock(3, three, held: true), Self.lock(3, second, held: false),
        ])
        #expect(graph.rings.map { $0.map { graph.parties[$0].name } } == [[one.name, two.name], [three.name, one.name]], "\(graph.text)")
        let alone = Self.graph([Self.lock(1, one, held: true), Self.lock(1, second, held: false)])
        #expect(alone.rings.isEmpty)
    }

    @Test("a ring that goes through several sessions of one manager is one, since their name has its mark")
    func managers() {
        let (one, other) = ("orders@h:1 #aaaaa", "orders@h:2 #bbbbb")
        let graph = Self.graph([
            Self.lock(1, Self.session(1, one), held: true), Self.lock(1, Self.session(4, other), held: false),
            Self.lock(2, Self.session(3, other), held: true), Self.lock(2, Self.session(2, one), held: false),
        ])
        #expect(graph.parties.map(\.name) == [one, other])
        #expect(graph.rings == [[0, 1]])
        let unmarked = Self.graph([
            Self.lock(1, Self.session(1, "orders"), held: true), Self.lock(1, Self.session(4, "orders"), held: false),
            Self.lock(2, Self.session(3, "orders"), held: true), Self.lock(2, Self.session(2, "orders"), held: false),
        ])
        #expect(unmarked.parties.count == 4 && unmarked.rings.isEmpty, "Nothing says which of these belong together.")
    }

    @Test("shared holders are in no shared wait's way")
    func shared() {
        let (one, two, three) = (Self.session(1), Self.session(2), Self.session(3))
        let graph = Self.graph([
            Self.lock(1, one, held: true, .shared), Self.lock(1, two, held: false, .shared), Self.lock(1, three, held: false),
            Self.lock(2, two, held: true), Self.lock(2, one, held: false),
        ])
        #expect(graph.rings.isEmpty)
        #expect(graph.blockers(of: graph.links[1]).isEmpty)
        #expect(graph.blockers(of: graph.links[2]).count == 1)
    }

    @Test("DOT, SVG and HTML name all parties and locks, mark the ring, and are not confused by what names are made of")
    func forms() {
        let evil = SeenSession(processID: 2, name: #"<script>"&\"#, role: "app")
        let graph = Self.graph([
            Self.lock(1, Self.session(1), held: true), Self.lock(1, evil, held: false), Self.lock(2, evil, held: true),
            Self.lock(2, Self.session(1), held: false),
        ])
        #expect(graph.dot.contains(#"label="<script>\"&\\\npid 2""#), "\(graph.dot)")
        #expect(graph.dot.contains("color=\"#c62828\""))
        let svg = GraphSVG(graph: graph).text(standsAlone: true)
        let page = GraphPage(graph: graph, database: "<app>").text
        for text in [svg, page] {
            #expect(text.contains("&lt;script&gt;&quot;&amp;\\"))
            #expect(!text.contains("<script>\"") && text.contains(" ring"))
        }
        #expect(page.contains("Locks of &lt;app&gt;"))
        #expect(!page.contains("http://") || page.components(separatedBy: "http://").count == 2, "Only the name of SVG's namespace.")
    }

    @Test("without waits, every form says so")
    func empty() {
        let graph = Self.graph([])
        #expect(graph.text == "No session waits for a lock.")
        #expect(GraphSVG(graph: graph).text(standsAlone: true).contains("No session waits"))
    }

    @Test("strongly connected components are found in long chains, too")
    func components() {
        let count = 100_000
        let chain = StrongComponents((0..<count).map { $0 + 1 < count ? [$0 + 1] : [] })
        #expect(chain.components.count == count)
        #expect(chain.components.first == [count - 1], "What waits for nothing comes first.")
        let ring = StrongComponents((0..<count).map { [($0 + 1) % count] })
        #expect(ring.components.map(\.count) == [count])
    }
}
