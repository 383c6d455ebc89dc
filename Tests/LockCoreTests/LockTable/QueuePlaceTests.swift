import LockCore
import Testing

@Suite("Places in a queue")
struct QueuePlaceTests {
    @Test("a place precedes all later ones, and none precedes itself or the end of the queue")
    func order() {
        var given = QueuePlaces()
        let places = (0..<6).map { _ in given.next() }
        for (index, place) in places.enumerated() {
            for (otherIndex, other) in places.enumerated() { #expect(place.precedes(other) == (index < otherIndex)) }
            #expect(!place.precedes(.last))
            #expect(!QueuePlace.last.precedes(place))
        }
    }

    @Test("the places go on after the last number of 32 bits, which leaves out the one that stands for no place")
    func wrap() {
        let last = QueuePlace.greatest
        #expect(last.next == QueuePlace.first)
        #expect(last.precedes(last.next))
        #expect(!last.next.precedes(last))
    }
}
