import LockCore
import Testing

@Suite("Lists that are mostly of one element")
struct OneOrMoreTests {
    @Test("a list has the elements that it was made of", arguments: [[], [7], [7, 8], [1, 2, 3, 4, 5]])
    func elements(_ elements: [Int]) {
        let list = OneOrMore(elements)
        #expect(Array(list) == elements)
        #expect(list.count == elements.count)
        #expect(list.first == elements.first)
        #expect(list.indices.map { list[$0] } == elements)
        #expect(Array(list.dropFirst()) == Array(elements.dropFirst()))
    }

    @Test("one element is stored in place")
    func inPlace() {
        guard case .one(7) = OneOrMore([7]) else { return #expect(Bool(false), "It is stored in an array.") }
        guard case .one(7) = [7] as OneOrMore else { return #expect(Bool(false), "It is stored in an array.") }
    }

    @Test("lists are equal if their elements are, however they are stored")
    func equality() {
        let (one, other) = (OneOrMore.one(7), OneOrMore.list([7]))
        #expect(one == other && one.hashValue == other.hashValue)
        #expect(one != .list([8]) && one != .list([7, 7]) && one != [])
    }
}
