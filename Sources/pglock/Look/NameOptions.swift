import ArgumentParser
import Foundation
import PostgresLock

/// The options by which numbers of locks become names.
struct NameOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file of names, one a line, to show in place of numbers; several times for several files.",
            discussion: "A line may go on with a tab and the scheme of the name. Empty lines and those that begin with # are left out.",
            valueName: "file"
        )
    )
    var names: [String] = []

    @Option(help: ArgumentHelp("The library whose keys the given names have; see pglock key --help.", valueName: "scheme"))
    var scheme = KeyScheme.postgresqlLock

    /// The names of the files, and those given.
    ///
    /// - Parameter given: Names on the command line.
    func known(_ given: [String] = [], database: String) throws -> KeyNames {
        var known = KeyNames(database: database)
        for path in names {
            let text: String
            do {
                text = try String(contentsOfFile: path, encoding: .utf8)
            } catch {
                let isThere = FileManager.default.fileExists(atPath: path)
                throw ValidationError(
                    isThere ? "The file of names \(path) can't be read, or is not UTF-8." : "There is no file of names \(path)."
                )
            }
            for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
                let parts = line.split(separator: "\t", maxSplits: 1).map(String.init)
                guard let name = parts.first else { continue }
                guard let scheme = parts.count > 1 ? KeyScheme(rawValue: parts[1]) : scheme else {
                    throw ValidationError("“\(Clean.text(parts[1]))” in \(path) is no scheme; pglock key --help lists them.")
                }
                known.add(name, try scheme.key(name))
            }
        }
        for name in given { known.add(name, try scheme.key(name)) }
        return known
    }

    /// What to try if no session holds the lock, or waits for it.
    func adviceForMissing(_ text: String, isNumber: Bool) -> String {
        if !isNumber, text.wholeMatch(of: #/-?[0-9]+(,-?[0-9]+)?/#) != nil {
            return "This was taken as a name; if it is the number of a lock, add --number."
        }
        return "If that can't be, check the spelling, the database and --scheme; pglock ps shows all locks."
    }

    /// The key of a name on the command line, or of a number.
    func key(_ text: String, isNumber: Bool) throws -> LockKey {
        try KeyText.parse(text, isNumber: isNumber, scheme: scheme)
    }
}
