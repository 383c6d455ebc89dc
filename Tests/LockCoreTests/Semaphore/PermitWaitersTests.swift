import LockCore
import Testing

@Suite("Who searches for unused permits")
struct PermitWaitersTests {
    /// Tasks that come one after the other, and have to wait.
    private struct Script {
        var waiters = PermitWaiters()
        private var places = QueuePlaces()

        mutating func begin() -> PermitWaiters.Ticket {
            let ticket = PermitWaiters.Ticket(places.next())
            waiters.beginWait(ticket)
            return ticket
        }
    }

    @Test("the first task that waits for the turnstile searches, and no other")
    func first() {
        var script = Script()
        let (first, second) = (script.begin(), script.begin())
        #expect(script.waiters.maySearch(first))
        #expect(!script.waiters.maySearch(second))
    }

    @Test("the first one is the task that came first, also where it has begun to wait later")
    func lateWait() {
        var waiters = PermitWaiters()
        var places = QueuePlaces()
        let tickets = (0..<3).map { _ in PermitWaiters.Ticket(places.next()) }
        let (first, second, third) = (tickets[0], tickets[1], tickets[2])
        waiters.beginWait(third)
        #expect(waiters.maySearch(third))
        waiters.beginWait(first)
        waiters.beginWait(second)
        #expect(waiters.count == 3)
        for ticket in [first, second, third] {
            #expect(waiters.maySearch(ticket))
            waiters.end(ticket)
        }
        #expect(waiters.isEmpty)
    }

    @Test("the next task searches once the first one has a permit, or waits for none any more")
    func next() {
        var script = Script()
        let (first, second) = (script.begin(), script.begin())
        script.waiters.end(first)
        #expect(!script.waiters.maySearch(first))
        #expect(script.waiters.maySearch(second))
    }

    @Test("no task searches while a task of the process has the turnstile")
    func head() {
        var script = Script()
        let (first, second) = (script.begin(), script.begin())
        script.waiters.beginHead(first)
        #expect(!script.waiters.maySearch(first))
        #expect(!script.waiters.maySearch(second))
        script.waiters.endHead()
        script.waiters.end(first)
        #expect(script.waiters.maySearch(second))
    }

    @Test("two tasks may have the turnstile for a moment, one of which has lost it")
    func twoHeads() {
        var script = Script()
        let tickets = (script.begin(), script.begin(), script.begin())
        script.waiters.beginHead(tickets.0)
        script.waiters.beginHead(tickets.1)
        script.waiters.endHead()
        #expect(!script.waiters.maySearch(tickets.2))
        script.waiters.endHead()
        #expect(script.waiters.maySearch(tickets.2))
    }

    @Test("it is empty when no task waits and none has the turnstile")
    func empty() {
        var script = Script()
        #expect(script.waiters.isEmpty)
        let ticket = script.begin()
        #expect(!script.waiters.isEmpty)
        script.waiters.beginHead(ticket)
        #expect(!script.waiters.isEmpty)
        script.waiters.endHead()
        script.waiters.end(ticket)
        #expect(script.waiters.isEmpty)
    }

    @Test("a permit is unused if three looks in a row find one, with a pause between them")
    func search() {
        var search = UnusedPermitSearch()
        #expect(search.hasFound() == .giveBack(pause: .milliseconds(50)))
        #expect(search.hasFound() == .giveBack(pause: .milliseconds(50)))
        #expect(search.hasFound() == .keep)
    }
}
