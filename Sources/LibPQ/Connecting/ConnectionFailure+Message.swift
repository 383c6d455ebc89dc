extension ConnectionFailure {
    /// Parses libpq's message about a failed attempt, written with verbose errors.
    ///
    /// libpq tells the SQLSTATE of a refused connection in no other way. With several hosts the message has a part for each. The failure
    /// is of a permanent kind only if all hosts have refused for the same reason.
    init(connecting text: String) {
        var states: [String] = []
        var lines: [Substring] = []
        for line in text.split(whereSeparator: \.isNewline) {
            // This line names the place in the server's source.
            guard !line.hasPrefix("LOCATION:") else { continue }
            guard let match = line.firstMatch(of: #/:  ([0-9A-Z]{5}): /#) else {
                lines.append(line)
                continue
            }
            states.append(String(match.output.1))
            lines.append(line.replacing(":  \(match.output.1): ", with: ": ", maxReplacements: 1))
        }
        let message = lines.joined(separator: "\n").sentence
        let attempts = max(1, lines.count { $0.hasPrefix("connection to server") })
        let kinds = Set(states.map(Kind.init(sqlState:)))
        let isUnanimous = states.count >= attempts && kinds.count == 1
        if isUnanimous, let kind = kinds.first {
            self.init(kind, message, sqlState: states.first)
        } else if states.isEmpty, text.contains("fe_sendauth") || text.contains("no password supplied") {
            // libpq has no password, and has not asked the server.
            self.init(.authentication, message)
        } else {
            self.init(.unreachable, message, sqlState: states.last)
        }
    }
}

extension ConnectionFailure {
    /// Combines the failures of several hosts.
    ///
    /// The result is of a permanent kind only if all hosts have refused for the same reason.
    init(of failures: [(name: String, failure: ConnectionFailure)]) {
        guard let first = failures.first, failures.count > 1 else {
            self = failures.first?.failure ?? ConnectionFailure(.unreachable, "the name of the host has no address")
            return
        }
        let kinds = Set(failures.map(\.failure.kind))
        // The kinds that say most about which host is the right one, in this order.
        let telling = [Kind.anotherServer, .standby, .tooManyConnections].first { kinds.contains($0) }
        let kind = kinds.count == 1 ? first.failure.kind : telling ?? .unreachable
        let known = failures.prefix(5).map { name, failure in
            let reason = failure.message.clause
            return reason.hasPrefix("connection to server") ? reason : "\(name): \(reason)"
        }
        let rest = failures.count - known.count
        self.init(
            kind,
            "none of \(failures.count) hosts can be used: \(known.joined(separator: "; "))" + (rest > 0 ? "; and \(rest) more" : ""),
            sqlState: failures.last { $0.failure.kind == kind }?.failure.sqlState
        )
    }
}

extension ConnectionFailure {
    /// The failure of a statement that prepares a session.
    ///
    /// It is permanent unless the error may be gone at the next attempt.
    init(preparing error: ServerError) {
        let kind: Kind = error.endsSession || error.mayPass ? .unreachable : .refused
        self.init(kind, error.text, sqlState: error.sqlState)
    }
}

extension ServerError {
    /// Whether the same statement may succeed later, by the classes of PostgreSQL's appendix A: a transaction was rolled back by a conflict
    /// (40), a resource is missing (53), an operator has intervened, by a cancel request for instance (57), a file could not be read (58); or a
    /// lock was not free in time.
    fileprivate var mayPass: Bool {
        ["40", "53", "57", "58"].contains(sqlState.prefix(2)) || sqlState == "55P03"
    }
}

extension ConnectionFailure.Kind {
    /// By PostgreSQL's appendix A, "Error Codes".
    init(sqlState: String) {
        switch sqlState {
        case "28P01", "28000": self = .authentication
        case "3D000", "42501", "0LP01": self = .refused
        case "53300": self = .tooManyConnections
        default: self = .unreachable
        }
    }
}
