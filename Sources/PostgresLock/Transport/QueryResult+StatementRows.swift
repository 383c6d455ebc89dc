import LibPQ

extension QueryResult: StatementRows {}
