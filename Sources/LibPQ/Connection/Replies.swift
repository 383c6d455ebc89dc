/// The answers to the statements of one submission, in their order.
///
/// Most submissions are one statement, whose answer needs no array.
package struct Replies: Sendable {
    private let earlier: [Reply]
    /// The answer to the last statement; `nil` if there was no statement.
    package let last: Reply?

    init(_ earlier: [Reply], last: Reply) {
        self.earlier = earlier
        self.last = last
    }

    /// Of a submission without a statement.
    init() {
        earlier = []
        last = nil
    }

    package var all: [Reply] { last.map { earlier + [$0] } ?? [] }
}
