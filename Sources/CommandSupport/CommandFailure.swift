/// Ends a command with a message and a status.
package struct CommandFailure: Error {
    package let status: Int32
    package let message: String

    package init(_ status: Int32, _ message: String) {
        self.status = status
        self.message = message
    }
}
