import LibPQ

/// A call of the credentials provider that has not returned.
struct ProviderCall {
    fileprivate let id: OverdueCalls.ID
    fileprivate let task: Task<Void, Never>
}

extension LibPQTransport {
    /// Finds the parameters of a connection, by the credentials provider if there is one.
    ///
    /// - Parameter completion: Called once: at once if there is no provider, or no further call of it may begin; else on some thread.
    /// - Returns: The provider's call, if one has begun.
    func findParameters(
        _ completion: @escaping @Sendable (Result<ConnectionParameters, ConnectionFailure>) -> Void
    ) -> ProviderCall? {
        guard let credentials = configuration.credentials else {
            completion(.success(configuration.parameters()))
            return nil
        }
        guard let call = overdueProviders.begin() else {
            completion(.failure(ConnectionFailure(.unreachable, "Earlier calls of the credentials provider have not returned.")))
            return nil
        }
        // Detached: a provider that blocks must not block the loop.
        let task = Task.detached { [weak self, loop, configuration] in
            let result: Result<ConnectionParameters, ConnectionFailure>
            do {
                result = .success(configuration.parameters(try await credentials()))
            } catch {
                result = .failure(ConnectionFailure(.unreachable, "The credentials provider failed: \(type(of: error))."))
            }
            loop.submit { [weak self] in self?.overdueProviders.noteReturned(call) }
            completion(result)
        }
        return ProviderCall(id: call, task: task)
    }

    /// The call is not waited for any longer.
    func giveUp(_ call: ProviderCall) {
        guard overdueProviders.giveUp(call.id) else { return }
        // The provider's cancellation handlers may block, too.
        connector.run { call.task.cancel() }
    }
}
