/// What is to be done, in order. Once all has been taken out, its memory is used anew.
struct ActionQueue<Action: Sendable>: Sendable {
    private var actions: [Action] = []
    private var taken = 0

    var isEmpty: Bool { actions.isEmpty }

    mutating func append(_ action: Action) {
        actions.append(action)
    }

    mutating func popFirst() -> Action? {
        guard taken < actions.count else { return nil }
        let action = actions[taken]
        taken += 1
        if taken == actions.count {
            actions.removeAll(keepingCapacity: true)
            taken = 0
        }
        return action
    }
}
