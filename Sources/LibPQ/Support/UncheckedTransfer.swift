/// Passes a value that is not sendable between two places that never use it at the same time: into a handler on the loop that the value is
/// confined to, or between two tasks of which one waits for the other.
package struct UncheckedTransfer<Value>: @unchecked Sendable {
    package let value: Value

    package init(_ value: Value) {
        self.value = value
    }
}
