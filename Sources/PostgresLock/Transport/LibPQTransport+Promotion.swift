import LibPQ
import LockCore

/// Asks all hosts whether another server was promoted.
struct PromotionSurvey {
    let number: Int
    let attempt = ConnectAttempt()
    /// The credentials provider, which is asked before.
    var provider: ProviderCall?
}

extension LibPQTransport {
    /// Another server may have been promoted while the server that has the locks goes on.
    func survey() {
        guard currentSurvey == nil else { return }
        counts.surveys += 1
        let survey = PromotionSurvey(number: counts.surveys)
        currentSurvey = survey
        // A survey that does not return must not prevent later ones.
        Task { [weak self, limit = configuration.timeouts.connect] in
            try? await Task.sleep(for: limit * 2)
            self?.loop.submit { [weak self] in self?.giveUpSurvey(survey.number) }
        }
        let finish: @Sendable (UInt32?) -> Void = { [weak self, loop, number = survey.number] timeline in
            loop.submit { [weak self] in
                self?.finishSurvey(number, timeline)
            }
        }
        currentSurvey?.provider = findParameters {
            [connector, limit = configuration.timeouts.connect, attempt = survey.attempt] parameters in
            guard case .success(let parameters) = parameters else { return finish(nil) }
            connector.survey(parameters, within: limit, attempt: attempt, completion: finish)
        }
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
        if let provider = survey.provider { giveUp(provider) }
    }

    /// Notes the timeline of a primary. Sessions on a server with a lower timeline are lost: a promoted server has replaced it, although it may
    /// go on, and their locks exclude no session of the new one.
    ///
    /// - Parameter timeline: That of a new session, or of a survey.
    /// - Returns: Why the new session can't be used, if it is on the server that was replaced.
    func replaced(by timeline: UInt32?) -> Failure? {
        guard let timeline else { return nil }
        func failure(_ highest: UInt32) -> Failure {
            Failure(
                .connectionLost,
                "Another server was promoted (timeline \(highest)), and takes the place of the one that this session was on."
            )
        }
        switch PromotionVerdict(of: timeline, among: connections.compactMapValues(\.session.timeline)) {
        case .replaced(let highest):
            return failure(highest)
        case .latest(let replaced):
            for id in replaced { onEvent(.lost(id, failure(timeline))) }
        }
        return nil
    }
}
