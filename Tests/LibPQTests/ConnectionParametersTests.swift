import LibPQ
import Testing

@Suite("Connection parameters")
struct ConnectionParametersTests {
    @Test(
        "the message for a connection string that can't be parsed has no part of it",
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

    @Test(
        "the message for a connection string that can't be parsed names the part that is wrong",
        arguments: [
            ("postgres://db/app?sslmod=require", "there is no option with the name \"sslmod\""),
            ("postgres:/app:s3cret@db/app?port=1", "it looks like a URL, and does not begin with postgres://"),
            ("mysql://app:s3cret@db/app", "it looks like a URL, and does not begin with postgres://"),
            ("jdbc:postgresql://db/app?password=s3cret", "it looks like a URL, and does not begin with postgres://"),
            ("db:5432/s3cret", "it is no URL"),
            ("postgres://app:s3cret@db:5432/app?sslmod=require", "there is no option with the name \"sslmod\""),
            ("host=db prot=5432", "there is no option with the name \"prot\""),
            ("postgres://app:s3cret@db/app?sslmode", "a parameter behind the ? of the URL has no = and no value"),
            ("postgres://db/app?options=a=s3cret", "the value of \"options\" has another = in it"),
            ("host=db password=my s3cret", "what follows the value of \"password\" has no ="),
            ("s3cret", "it is no URL"),
            ("postgres://app:s3cret%zz@db/app", "the password has a %"),
            ("postgres://app%zz@db/app", "the user's name has a %"),
            ("postgres://app:s3cret@db/app%zz", "the database's name has a %"),
            ("postgres://app:s3cret@[::1/db", "the host's address begins with a bracket"),
            ("postgres://app:s3cret@db:54x/app", "the port is not a number"),
        ]
    )
    func parts(string: String, text: String) {
        let error = #expect(throws: ConnectionFailure.self) {
            try ConnectionParameters(string: string, applicationName: "test").validate()
        }
        #expect(error?.message.contains(text) == true, "\(String(describing: error))")
        #expect(error?.message.contains("s3cret") == false)
    }

    @Test(
        "a name that may be a part of a password is not repeated",
        arguments: [
            "postgres://u:p/a?s3cret=x@db/app", "postgres://u:p?s3cret=x", "host=db password=a s3cret=b",
            "postgres://db/app?password=a&s3cret=b", "host=db passwort=s3cret=",
        ]
    )
    func suspectNames(string: String) {
        let error = #expect(throws: ConnectionFailure.self) {
            try ConnectionParameters(string: string, applicationName: "test").validate()
        }
        #expect(error?.kind == .badConfiguration)
        #expect(error?.message.contains("s3cret") == false)
    }

    @Test("a zero byte in any connection parameter is refused")
    func zeroBytes() {
        var parameters = Array(repeating: ConnectionParameters(string: "host=db", applicationName: "test"), count: 5)
        parameters[1].string = "host=db\0.example.com"
        parameters[2].applicationName = "\0"
        parameters[3].user = "u\0"
        parameters[4].password = "s3cret\0s3cret"
        #expect(throws: Never.self) { try parameters[0].validate() }
        for parameters in parameters.dropFirst() {
            let error = #expect(throws: ConnectionFailure.self) { try parameters.validate() }
            #expect(error?.kind == .badConfiguration)
            #expect(error?.message.contains("zero byte") == true)
            #expect(error?.message.contains("s3cret") == false)
        }
    }

    @Test("the silence limit sets the system's keepalives and TCP timeout, unless the connection string sets them")
    func silence() {
        var parameters = ConnectionParameters(string: "host=db keepalives_idle=7", applicationName: "test")
        #expect(!parameters.keywords().contains { $0.keyword.hasPrefix("keepalives") || $0.keyword == "tcp_user_timeout" })
        parameters.silenceLimit = .seconds(30)
        let keywords = parameters.keywords().map { "\($0.keyword)=\($0.value)" }
        let own = ["keepalives_idle=15", "keepalives_interval=5", "keepalives_count=3", "tcp_user_timeout=30000"]
        let string = "dbname=host=db keepalives_idle=7"
        #expect(keywords.filter { own.contains($0) || $0 == string } == own + [string])
        parameters.silenceLimit = .seconds(1)
        #expect(parameters.keywords().contains { $0 == ("keepalives_idle", "3") })
        parameters.silenceLimit = .seconds(86_400)
        #expect(parameters.keywords().contains { $0 == ("keepalives_idle", "32766") })
    }
}
