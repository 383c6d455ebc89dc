/// Names a submission for who has submitted it, and comes back with its replies. Means nothing to the connection.
package struct SubmissionToken: Hashable, Sendable {
    package let kind: UInt8
    package let number: UInt64

    package init(kind: UInt8, number: UInt64 = 0) {
        self.kind = kind
        self.number = number
    }
}
