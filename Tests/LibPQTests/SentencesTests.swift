import LibPQ
import Testing

@Suite("Sentences of messages of servers and systems")
struct SentencesTests {
    @Test("a heading gets a full stop, and a sentence keeps its own")
    func ends() {
        #expect("deadlock detected".sentence == "deadlock detected.")
        #expect("It ended.".sentence == "It ended.")
        #expect("Is it running?\n".sentence == "Is it running?")
        #expect(#"role "app" does not exist"#.sentence == #"role "app" does not exist."#)
        #expect("".sentence.isEmpty)
        #expect(" \n\t".sentence.isEmpty)
    }

    @Test("a clause has no full stop at its end")
    func clauses() {
        #expect("The server did not answer.".clause == "The server did not answer")
        #expect("and so on...".clause == "and so on...")
        #expect("timeout".clause == "timeout")
    }

    @Test("message, detail and hint become sentences, and missing ones are left out")
    func parts() {
        let text = String.sentences("deadlock detected", "Process 1 waits.\nProcess 2 waits.", nil, "", "See server log")
        #expect(text == "deadlock detected. Process 1 waits. Process 2 waits. See server log.")
    }

    @Test("lines of libpq's messages are joined where libpq has wrapped a sentence, and separated by full stops elsewhere")
    func lines() {
        let closed = """
            server closed the connection unexpectedly
            \tThis probably means the server terminated abnormally
            \tbefore or while processing the request.
            """
        #expect(
            closed.sentence
                == "server closed the connection unexpectedly. This probably means the server terminated abnormally before or while processing the request."
        )
        let refused = """
            connection to server at "a" failed: Connection refused
            \tIs the server running on that host and accepting TCP/IP connections?
            connection to server at "b" failed: timeout expired
            """
        #expect(
            refused.sentence
                == """
                connection to server at "a" failed: Connection refused. Is the server running on that host and accepting TCP/IP \
                connections? connection to server at "b" failed: timeout expired.
                """
        )
    }
}
