/// What a session's settings are like, as far as they matter.
package struct SimulatedSettings {
    /// Whether its transactions wait for those of others (`default_transaction_deferrable`).
    package var defers = false
    /// Whether the body of the scope wants that.
    package var bodyDefers = false
    /// Whether it has those of its role.
    package var isOfRole = false
    /// Whether it may differ from a new session in more than its locks.
    package var isTouched = false
}
