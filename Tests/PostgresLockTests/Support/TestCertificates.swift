import ChildProcesses
import Foundation
import Testing

@testable import PostgresLockTesting

/// An authority of the test's own, which has certified the server's key.
struct TestCertificates {
    /// The authority's certificate, for `sslrootcert`.
    let authority: String
    /// A certificate of another authority, which has certified nothing.
    let strangeAuthority: String
    private let folder: String

    /// Makes the certificates by `openssl`, in a folder that only this account can read.
    ///
    /// - Parameter host: The name of the server in its certificate.
    init(host: String) async throws {
        folder = "\(FileManager.default.temporaryDirectory.path)/pglock-tls-\(UInt32.random(in: .min ... .max))"
        (authority, strangeAuthority) = ("\(folder)/ca.crt", "\(folder)/strange.crt")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for name in ["ca", "strange"] {
            try await run(
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=\(name)",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-keyout",
                "\(name).key",
                "-out",
                "\(name).crt"
            )
        }
        try await run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(host)", "-keyout", "server.key", "-out", "server.csr")
        try "subjectAltName=DNS:\(host)\n".write(toFile: "\(folder)/names", atomically: true, encoding: .utf8)
        try await run(
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.crt"
        )
    }

    /// Restarts the server with TLS.
    func install(on server: EphemeralPostgres) async throws {
        let files = FileManager.default
        // The server's account differs from this one if the tests run as root.
        let owner = try files.attributesOfItem(atPath: server.dataDirectory)[.ownerAccountID]
        for name in ["server.key", "server.crt"] {
            let path = "\(server.dataDirectory)/\(name)"
            try files.copyItem(atPath: "\(folder)/\(name)", toPath: path)
            try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            if let owner { try files.setAttributes([.ownerAccountID: owner], ofItemAtPath: path) }
        }
        try await server.restart(settings: ["ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"])
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: folder)
    }

    private func run(_ arguments: String...) async throws {
        let result = try await CapturedProcess(["/usr/bin/env", "openssl"] + arguments, directory: folder).finish()
        try #require(result.succeeded, "openssl \(arguments): \(result.error)")
    }
}
