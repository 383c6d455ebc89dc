import LockCore

extension Failure {
    /// What to do about a refused login.
    ///
    /// The server has a code for a wrong password. Its other refusals have one together, `28000`; those by pg_hba.conf name the file, which has
    /// the same name in every language. Without a code the server was not asked, because there is no password.
    var adviceForLogin: String {
        switch sqlState {
        case "28000" where message.contains("pg_hba.conf"):
            """
            The password was not looked at. Have an entry of the server's pg_hba.conf allow this user, database, address and kind of connection \
            (with TLS or without: sslmode), and reload the server.
            """
        case "28000":
            """
            Check that the role exists and may log in, and that it has what pg_hba.conf asks of it: a password, a certificate, or an account of \
            the same name.
            """
        default: "Check user and password."
        }
    }

    /// What to do about a server that can't be reached.
    ///
    /// libpq has no codes for its reasons, so its messages tell them apart, if they are in English. In another language, and for reasons that are
    /// not known here, the advice leaves all of them open.
    var adviceForUnreachable: String {
        func says(_ texts: String...) -> Bool { texts.contains { message.contains($0) } }
        if says("server does not support SSL") {
            return """
                The connection string requires TLS (sslmode), and the server offers none. Turn it on at the server (ssl = on), or, in a network \
                that can be trusted, set sslmode=prefer.
                """
        }
        if says("certificate verify failed", "server certificate for", "root certificate file") {
            return "Check that sslrootcert is the authority of the server's certificate, and that the certificate is for this host."
        }
        if says("A second connection is not answered", "query_wait_timeout") {
            return """
                A manager needs two sessions at least. Raise the pool of the pooler for this database and user (pgbouncer: pool_size), or \
                connect to the server itself.
                """
        }
        if says("server login has been failing") { return "The pooler is running, but can't connect to its server. Check that server." }
        if says("on socket \"") {
            return """
                libpq uses a socket of this machine if neither the connection string nor PGHOST names another host. Name the host, or check \
                that the server is running and has its socket there.
                """
        }
        if says("did not answer in time") {
            return "Check host, port, and that the server is running; with a pooler, that not all of its sessions are in use."
        }
        if sqlState == "57P03" { return "Wait until the server has started, or look into its log." }
        if sqlState != nil { return "A server has answered: its message says why it refuses." }
        if says("Connection refused", "could not translate host name", "timeout expired", "No route to host", "has no address") {
            return "Check host, port, and that the server is running."
        }
        return "Check what the message names: host, port, the options for TLS (sslmode, sslrootcert), and whether the server is running."
    }
}
