/// As which keys the locks of recipes are reported.
package enum ChaosRecipe {
    package static let leadKey = 1_000
    package static let firstShareKey = 2_000
    /// Behind it come the permits, which are counted from 1.
    package static let permitKey = 3_000
    /// The limit of the semaphore.
    package static let permits = 3

    static let permitKeys = permitKey + 1...permitKey + permits
    static let shareKeys = firstShareKey...permitKey - 1

    /// What there has to be in a history.
    static let kinds: [(what: String, keys: ClosedRange<Int>)] = [
        ("terms of leaders", leadKey...leadKey), ("shares of work", shareKeys), ("permits", permitKeys),
    ]
}
