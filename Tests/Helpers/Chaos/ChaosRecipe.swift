/// As which keys the locks of recipes are reported.
package enum ChaosRecipe {
    package static let leadKey = 1_000
    package static let firstShareKey = 2_000

    /// What there has to be in a history.
    static let kinds: [(what: String, keys: ClosedRange<Int>)] = [
        ("terms of leaders", leadKey...leadKey), ("shares of work", firstShareKey...firstShareKey + 999),
    ]
}
