// Declarations that many blocks use. A page's own are in a comment of the page.

/// Documentation writes `…`.
func omitted() async throws {}

@discardableResult
func buildReport() async throws -> String { "" }

func work() async throws {}

func transfer() async throws {}
