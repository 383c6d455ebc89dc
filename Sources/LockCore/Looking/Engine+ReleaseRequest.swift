extension Engine {
    /// Another session asks for the release of a lock that a session of this process holds.
    package struct ReleaseRequest: Hashable, Sendable {
        package let key: AdvisoryKey
        /// Distinguishes it from other requests. It stays the same for as long as the request lasts.
        package let number: UInt32

        package init(key: AdvisoryKey, number: UInt32) {
            self.key = key
            self.number = number
        }
    }

    /// The same, with the session that holds the lock.
    package struct AddressedRequest: Hashable, Sendable {
        package let session: ConnectionID
        package let request: ReleaseRequest
        /// The holders of the lock on that session; none on a checked-out session, whose locks the engine does not know.
        package let holders: [RequestID]
    }
}
