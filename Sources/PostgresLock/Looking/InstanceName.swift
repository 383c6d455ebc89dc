#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// What the sessions of a manager are called on the server unless the configuration gives them a name: `orders@web-3:4711 #k7q2m`.
///
/// The name says the program, the host and the process, and ends in a mark that is drawn for each manager. So the sessions of one manager are
/// known by their name, without a table, and without a lock for each session, which would take room in the server's lock table, and would go with
/// `DISCARD ALL` and `pg_advisory_unlock_all()`. Every role sees it.
struct InstanceName: Hashable, Sendable {
    /// PostgreSQL cuts names off behind it.
    static let limit = 63
    private static let mostOfProgram = 24
    private static let markLength = 5
    /// Without letters and digits that look alike.
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")

    let program: String
    let host: String
    let process: Int32
    let mark: String

    /// That of a new manager of this process.
    static func make() -> String {
        InstanceName(
            program: ProcessInfo.processInfo.processName,
            host: hostName,
            process: getpid(),
            mark: String((0..<markLength).map { _ in alphabet[Int.random(in: alphabet.indices)] })
        ).text
    }

    /// At most ``limit`` bytes. What tells processes apart is never cut off.
    var text: String {
        let end = ":\(process) #\(mark)"
        let program = Self.printable(program).prefix(Self.mostOfProgram)
        let start = program.isEmpty ? "" : "\(program)@"
        // The names of pods differ at their end, and those of domains at their beginning.
        let label = Self.printable(host).prefix { $0 != "." }
        let room = Self.limit - start.count - end.count
        let host = label.count > room ? "\(label.prefix(room / 3))~\(label.suffix(room - room / 3 - 1))" : String(label)
        return start + host + end
    }

    /// Whether a session's name ends in a mark, so that it is one manager's alone.
    static func isMarked(_ name: String) -> Bool {
        let end = name.suffix(markLength + 2)
        return end.count == markLength + 2 && end.hasPrefix(" #") && end.dropFirst(2).allSatisfy { alphabet.contains($0) }
    }

    /// PostgreSQL replaces other bytes.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { (" "..."~").contains($0) ? $0 : "?" }))
    }

    private static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
