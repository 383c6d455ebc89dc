extension Duration {
    /// The duration in messages and lines of the log: with three digits at most before and after the point together, such as `0.05 seconds`, or
    /// whole seconds.
    package var shown: String {
        let seconds = self / .seconds(1)
        let isTiny = seconds != 0 && abs(seconds) < 0.001
        let value = isTiny ? seconds * 1_000_000 : seconds
        var scale = 1.0
        // Less than a nanosecond is none.
        while abs(value) * scale < 100, scale < 1_000_000 { scale *= 10 }
        return "\((value * scale).rounded() / scale) \(isTiny ? "µs" : "seconds")"
    }
}
