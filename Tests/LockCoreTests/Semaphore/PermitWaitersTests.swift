import LockCore
import Testing

@Suite("Who searches for unused permits")
struct PermitWaitersTests {
    @Test("the first task that waits for the turnstile searches, and no other")
    func first() {
        var waiters = PermitWaiters()
        let (first, second) = (waiters.begin(), waiters.begin())
        #expect(waiters.maySearch(first))
        #expect(!waiters.maySearch(second))
    }

    @Test("the first one is the task that came first, also where it has begun to wait later")
    func lateWait() {
        var waiters = PermitWaiters()
        let (first, second, third) = (waiters.arrive(), waiters.arrive(), waiters.arrive())
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
        var waiters = PermitWaiters()
        let (first, second) = (waiters.begin(), waiters.begin())
        waiters.end(first)
        #expect(!waiters.maySearch(first))
        #expect(waiters.maySearch(second))
    }

    @Test("no task searches while a task of the process has the turnstile")
    func head() {
        var waiters = PermitWaiters()
        let (first, second) = (waiters.begin(), waiters.begin())
        waiters.beginHead(first)
        #expect(!waiters.maySearch(first))
        #expect(!waiters.maySearch(second))
        waiters.endHead()
        waiters.end(first)
        #expect(waiters.maySearch(second))
    }

    @Test("two tasks may have the turnstile for a moment, one of which has lost it")
    func twoHeads() {
        var waiters = PermitWaiters()
        let tickets = (waiters.begin(), waiters.begin(), waiters.begin())
        waiters.beginHead(tickets.0)
        waiters.beginHead(tickets.1)
        waiters.endHead()
        #expect(!waiters.maySearch(tickets.2))
        waiters.endHead()
        #expect(waiters.maySearch(tickets.2))
    }

    @Test("it is empty when no task waits and none has the turnstile")
    func empty() {
        var waiters = PermitWaiters()
        #expect(waiters.isEmpty)
        let ticket = waiters.begin()
        #expect(!waiters.isEmpty)
        waiters.beginHead(ticket)
        #expect(!waiters.isEmpty)
        waiters.endHead()
        waiters.end(ticket)
        #expect(waiters.isEmpty)
    }

    @Test("a permit is unused if three looks in a row find one, with a pause between them")
    func search() {
        var search = UnusedPermitSearch()
        #expect(search.hasFound() == .giveBack(pause: .milliseconds(50)))
        #expect(search.hasFound() == .giveBack(pause: .milliseconds(50)))
        #expect(search.hasFound() == .keep)
    }
}

extension PermitWaiters {
    /// A task comes, and has to wait.
    fileprivate mutating func begin() -> Ticket {
        let ticket = arrive()
        beginWait(ticket)
        return ticket
    }
}
