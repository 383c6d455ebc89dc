// With several hosts, another one may be promoted while the one that holds our locks lives on, and does not know. So while something is
// held the others are asked now and then.
extension Engine {
    /// Asks if it is time.
    mutating func survey(now: Instant) {
        guard let due = nextSurvey(now: now), due <= now, let interval = configuration.surveyInterval else { return }
        surveyAt = now.advanced(by: interval)
        actions.append(.survey)
    }

    /// When the other hosts are to be asked; `nil` while nothing is held.
    mutating func nextSurvey(now: Instant) -> Instant? {
        guard let interval = configuration.surveyInterval,
            sessions.contains(where: { $0.holdsSomething(hasLease: configuration.lease != nil) })
        else {
            surveyAt = nil
            return nil
        }
        let at = surveyAt ?? now.advanced(by: interval)
        surveyAt = at
        return at
    }
}
