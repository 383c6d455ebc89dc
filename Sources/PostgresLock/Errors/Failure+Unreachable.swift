import LockCore

extension Failure {
    /// What to do about a server that can't be reached. Only the message tells the cases apart: libpq has no codes for them.
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
        return "Check host, port, and that the server is running."
    }
}
