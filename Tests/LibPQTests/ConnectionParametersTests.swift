import LibPQ
import Testing

@Suite("Connection parameters")
struct ConnectionParametersTests {
    @Test(
        "no part of a connection string that can't be understood comes back in the message",
        arguments: [
            "postgres://user:s3cret%zz@host/db", "postgres://user:s3cret@host:port:port/db?s3cret=1",
            "host=db password=my s3cret", "postgres://u:s3cret/s3cret@h/d", "postgres://u:p@s3cret@h/d", "password='s3cret",
            "postgres://u:p@[::1/s3cret", "postgres://u@h/d?s3cret",
        ]
    )
    func secrets(string: String) throws {
        let error = #expect(throws: ConnectionFailure.self) {
            try ConnectionParameters(string: string, applicationName: "test").validate()
        }
        #expect(error?.kind == .badConfiguration)
        #expect(error?.message.contains("s3cret") == false)
        #expect(error?.message.isEmpty == false)
    }
}
