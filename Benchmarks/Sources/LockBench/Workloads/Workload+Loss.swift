extension Workload {
    static func loss(_ stage: Stage) -> Workload {
        let url = stage.url(.socket)
        return Workload(
            name: "loss",
            title: "A holder whose backend is ended by pg_terminate_backend, while another process waits for the lock",
            note: """
                Counted from when the order to end the backend is given, so its round trip and the backend's own end are part of it; the \
                median of \(LossWorker.repetitions) times. The next one is another manager, with connections of its own.
                """,
            contenders: [
                Contender("library", "withLock", metrics: [.noticing, .succeeding], isOurs: true, rounds: 5) {
                    try await Child.worker(.loss, ["--url", url])
                }
            ]
        )
    }
}
