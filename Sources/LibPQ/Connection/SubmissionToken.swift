/// Identifies a submission to its submitter, and comes back with its replies. The connection does not interpret it.
package struct SubmissionToken: Hashable, Sendable {
    package let kind: UInt8
    package let number: UInt64

    package init(kind: UInt8, number: UInt64 = 0) {
        self.kind = kind
        self.number = number
    }
}
