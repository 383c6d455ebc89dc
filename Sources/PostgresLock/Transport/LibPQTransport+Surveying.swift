import LibPQ
import LockCore

/// Asking all hosts whether another server was promoted, while something is held.
struct HostSurvey {
    let number: Int
    let attempt = ConnectAttempt()
    /// The credentials provider, which is asked before.
    var provider: (call: OverdueCalls.ID, task: Task<Void, Never>)?
}

extension LibPQTransport {
    /// Another server may have been promoted, while the one that holds our locks lives on.
    func survey() {
        guard currentSurvey == nil else { return }
        counts.surveys += 1
        let survey = HostSurvey(number: counts.surveys)
        currentSurvey = survey
        // What does not return keeps no later survey from being made.
        Task { [weak self, limit = configuration.timeouts.connect] in
            try? await Task.sleep(for: limit * 2)
            self?.loop.submit { [weak self] in self?.giveUpSurvey(survey.number) }
        }
        let finish: @Sendable (UInt32?) -> Void = { [weak self, loop, number = survey.number] timeline in
            loop.submit { [weak self] in
                self?.finishSurvey(number, timeline)
            }
        }
        let ask: @Sendable (ConnectionParameters) -> Void = { [connector, configuration, attempt = survey.attempt] parameters in
            connector.survey(parameters, within: configuration.timeouts.connect, attempt: attempt, completion: finish)
        }
        guard let credentials = configuration.credentials else { return ask(configuration.parameters()) }
        guard let call = overdueProviders.begin() else { return finish(nil) }
        let noteReturned = providerReturns(call)
        let task = Task.detached { [configuration] in
            let answer = try? await credentials()
            noteReturned()
            if let answer { ask(configuration.parameters(answer)) } else { finish(nil) }
        }
        currentSurvey?.provider = (call, task)
    }

    private func finishSurvey(_ number: Int, _ timeline: UInt32?) {
        guard currentSurvey?.number == number else { return }
        currentSurvey = nil
        _ = replaced(by: timeline)
    }

    private func giveUpSurvey(_ number: Int) {
        guard let survey = currentSurvey, survey.number == number else { return }
        currentSurvey = nil
        connector.abandon(survey.attempt)
        if let provider = survey.provider { giveUp(provider.call, provider.task) }
    }

    /// A server that was promoted takes the place of the one that other sessions are on, which may live on without knowing: their
    /// locks exclude no other session any more.
    ///
    /// - Parameter timeline: Of a connection that is just there.
    /// - Returns: Why that one can't be used, if it is on the server that was replaced.
    func replaced(by timeline: UInt32?) -> Failure? {
        guard let timeline else { return nil }
        func failure(_ highest: UInt32) -> Failure {
            Failure(
                .connectionLost,
                "Another server was promoted (timeline \(highest)), and takes the place of the one that this session was on."
            )
        }
        let others = connections.compactMapValues(\.session.timeline)
        if let highest = others.values.max(), highest > timeline { return failure(highest) }
        for id in others.filter({ $0.value < timeline }).keys.sorted() {
            onEvent(.lost(id, failure(timeline)))
        }
        return nil
    }
}
