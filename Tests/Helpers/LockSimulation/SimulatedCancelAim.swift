/// What a cancel request is sent for: it must not be able to strike what its session is sent later.
struct SimulatedCancelAim {
    let target: SimulatedLink?
    /// How much the session had been sent by then; what is to be cancelled was the last of it.
    let submittedCount: Int
    /// Whether it may strike later statements all the same.
    let mayStrikeLater: () -> Bool

    init(at target: SimulatedLink?, mayStrikeLater: @escaping () -> Bool = { false }) {
        self.target = target
        submittedCount = target?.submittedCount ?? 0
        self.mayStrikeLater = mayStrikeLater
    }

    /// Whether what it strikes, or could have struck with other timing, is none of its business.
    var isMissed: Bool { target.map { $0.submittedCount > submittedCount } ?? false && !mayStrikeLater() }
}
