// Declarations that the examples in documentation comments use.

import Logging

var connection: MyConnection { MyConnection() }
var pointer: OpaquePointer { fatalError() }

struct MyConnection: Sendable {
    func query(_ sql: String) async throws -> [[any Sendable]] { [] }
}

func buildReport(_ connection: MyConnection) async throws {}

func withSpan<Result>(_ name: String, _ body: (Int) async throws -> Result) async throws -> Result { try await body(0) }

func deliver(_ share: Int) async throws {}
