/// The processor time of a worker and of its server, measured from a moment on.
struct Usage: Sendable {
    private let server: Int32?
    private let serverTime: Double?
    private let clientTime: Double
    private let time: ContinuousClock.Instant

    /// Begins to measure.
    ///
    /// - Parameter server: The server's main process, if its time is measured.
    init(server: Int32?) {
        self.server = server
        serverTime = server.flatMap(ServerTime.used)
        clientTime = ProcessorTime.own()
        time = .now
    }

    /// Ends the measurement.
    ///
    /// - Returns: `seconds`, and `client` and `server` in seconds, without the server's if it was not measured.
    func end() -> [String: Double] {
        let length = (ContinuousClock.now - time) / .seconds(1)
        var values = ["seconds": length, "client": ProcessorTime.own() - clientTime]
        if let serverTime, let now = server.flatMap(ServerTime.used) { values["server"] = now - serverTime }
        return values
    }
}
