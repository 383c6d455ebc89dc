extension Engine {
    /// What is decided about a connection that runs everything that can't block, besides what is true of every connection.
    struct Carrier: Sendable {
        let id: ConnectionID

        /// What is to be released here, and has not been sent yet.
        var unlocks = PendingKeys(.unlock)

        /// Keys whose try failed with an error, until the unlock that proves what they hold is answered.
        var proofs: [AdvisoryKey: Failure] = [:]

        var burst: Burst?

        /// One transaction around several rounds.
        ///
        /// Every end of a transaction goes through all that the session holds, which with tens of thousands of locks takes the
        /// server longer than all the rest. Session locks care nothing for transactions: taken or released, they are so at
        /// once, and stay so if it fails.
        struct Burst: Sendable {
            let since: Instant
            var lastUse: Instant
        }

        init(_ id: ConnectionID) {
            self.id = id
        }
    }

    // MARK: Looking them up

    func carrierIndex(_ id: ConnectionID) -> Int? {
        carriers.firstIndex { $0.id == id }
    }

    /// Whether it can be sent a round now.
    func isFree(_ carrier: Carrier) -> Bool {
        sessions.read(carrier.id) { $0.isFree } ?? false
    }

    var hasFreeCarrier: Bool { carriers.contains { isFree($0) } }

    /// Whether there is one that is connected, free or not.
    var isCarrying: Bool { carriers.contains { sessions.read($0.id) { $0.isShared } ?? false } }

    /// How many locks the next round releases ahead of what it tries. Others may be released after it.
    var unlockCount: Int { leastHolding.map { carriers[$0].unlocks.count } ?? 0 }
}
