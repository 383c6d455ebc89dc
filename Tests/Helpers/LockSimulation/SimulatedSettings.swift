/// What a session's settings are like, as far as they matter.
struct SimulatedSettings {
    /// Whether its transactions wait for those of others (`default_transaction_deferrable`).
    var defers = false
    /// Whether the body of the scope wants that.
    var bodyDefers = false
    /// Whether it has those of its role.
    var isOfRole = false
    /// Whether it may differ from a new session in more than its locks.
    var isTouched = false
}
