import Testing

@testable import LibPQ

@Suite("Answers to statements")
struct ReplyTests {
    @Test(
        "the values of several rows are in their order",
        arguments: [[[]], [[true]], [[true, false], [false]], [[], [true], [], [false, true]]]
    )
    func rows(_ rows: [[Bool]]) {
        var reply = Reply()
        for row in rows { reply.append(BooleanRow(row)) }
        #expect(reply.booleans == rows.flatMap(\.self))
        #expect(reply.onlyBoolean == (rows.flatMap(\.self).count == 1 ? rows.flatMap(\.self)[0] : nil))
    }

    @Test("values that are set are read again, also more than a row has", arguments: [0, 1, 2, 63, 64, 65, 200])
    func values(count: Int) {
        var reply = Reply()
        reply.booleans = (0..<count).map { $0.isMultiple(of: 3) }
        #expect(reply.booleans == (0..<count).map { $0.isMultiple(of: 3) })
        #expect(reply.onlyBoolean == (count == 1 ? true : nil))
        reply.append([false, true])
        #expect(reply.booleans == (0..<count).map { $0.isMultiple(of: 3) } + [false, true])
    }

    @Test("what is set later keeps what was set before")
    func rare() throws {
        var reply = Reply()
        reply.booleans = [true]
        reply.error = .error("53200")
        let result = try QueryResult.empty()
        reply.result = result
        #expect(reply.error?.sqlState == "53200" && reply.result === result && reply.booleans == [true] && reply.waitOutcome == nil)
        // A copy is a value of its own.
        let copy = reply
        reply.error = nil
        #expect(reply.error == nil && reply.result === result && copy.error?.sqlState == "53200")
    }

    @Test("a granted wait has the value true, and a failed statement no outcome")
    func outcome() {
        var (granted, failed) = (Reply(), Reply())
        granted.note(.granted, nil)
        #expect(granted.waitOutcome == .granted && granted.onlyBoolean == true && granted.error == nil)
        failed.error = .error("53200")
        failed.note(.granted, nil)
        #expect(failed.waitOutcome == nil && failed.booleans == [] && failed.error?.sqlState == "53200")
    }
}
