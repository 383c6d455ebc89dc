import LockCore

extension LockTable {
    /// All that the events so far ask for.
    mutating func takeActions() -> [Action] {
        var actions: [Action] = []
        while let action = nextAction() { actions.append(action) }
        return actions
    }
}

extension Engine {
    /// All that the events so far ask for.
    mutating func takeActions() -> [Action] {
        var actions: [Action] = []
        while let action = nextAction() { actions.append(action) }
        return actions
    }
}
