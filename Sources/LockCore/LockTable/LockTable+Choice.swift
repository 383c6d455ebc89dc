extension LockTable {
    /// A request for any one of several keys.
    ///
    /// It has no position in the keys' queues: it gets a key that no other request of the process holds, wants or gives back.
    package struct Choice: Hashable, Sendable {
        /// Each once, in the order of their numbers.
        package let keys: [AdvisoryKey]
        package let mode: Mode
        package let noWait: Bool
        /// The pause between two tries; `nil` for pauses that grow.
        package let pollPause: Duration?

        package init(_ keys: some Sequence<AdvisoryKey>, _ mode: Mode, noWait: Bool = false, pollPause: Duration? = nil) {
            self.keys = Set(keys).sorted()
            self.mode = mode
            self.noWait = noWait
            self.pollPause = pollPause
        }
    }

    /// Keys that one statement tries in their order, until it has taken as many as there are requests.
    package struct ChoiceTry: Hashable, Sendable {
        /// The most keys of one statement. Their places take ten bits.
        package static let mostKeys = 1000

        package let keys: [AdvisoryKey]
        package let mode: Mode
        /// How many are taken at most.
        package let count: Int

        package init(_ keys: [AdvisoryKey], _ mode: Mode, count: Int) {
            self.keys = keys
            self.mode = mode
            self.count = count
        }
    }
}
