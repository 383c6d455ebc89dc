import Foundation

/// A call of the operating system that has failed.
package struct SystemFailure: Error, CustomStringConvertible {
    /// What failed, and why.
    package let description: String
    /// From `errno`, or what a function returned in its place.
    package let number: Int32

    package init(_ what: String, _ number: Int32) {
        // For the numbers that exist, `strerror` returns constant text, from any thread.
        description = "\(what): \(String(cString: strerror(number)))."
        self.number = number
    }
}
