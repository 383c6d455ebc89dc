/// What a request to step down does to the body that leads. The lead is let go of once the body has returned, in any case.
public struct StepDownHandling: Hashable, Sendable {
    private let cancelsBody: Bool

    /// The body is cancelled, as by a loss of the lead.
    public static let cancelBody = StepDownHandling(cancelsBody: true)
    /// The body goes on, and watches ``LeadershipTerm/isAskedToStepDown`` or ``LeadershipTerm/waitForStepDownRequest()``.
    public static let tellBody = StepDownHandling(cancelsBody: false)

    /// What cancels the body when it ends.
    func cancelling(_ request: LockState) -> [LockState] { cancelsBody ? [request] : [] }

    /// Whether an error of the body is what it makes of its cancellation, and so no failure.
    func excusesFailure(whenAskedToStepDown isAskedToStepDown: Bool) -> Bool { cancelsBody && isAskedToStepDown }
}
