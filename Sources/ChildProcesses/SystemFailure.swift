import Foundation

/// A failed call of the operating system.
package struct SystemFailure: Error, CustomStringConvertible {
    /// What failed, and the reason.
    package let description: String
    /// The error number, from `errno` or a function's result.
    package let number: Int32

    package init(_ what: String, _ number: Int32) {
        // For existing error numbers `strerror` returns constant text, so it can be called on any thread.
        description = "\(what): \(String(cString: strerror(number)))."
        self.number = number
    }
}
