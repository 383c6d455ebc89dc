import Foundation

/// Finds programs.
package enum Executable {
    /// The folders of PATH, followed by those of system tools, which a user's PATH often leaves out.
    static var searchPath: [String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map(String.init) + ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    }

    /// The path of the first program of this name, or nil if there is none.
    package static func find(_ name: String) -> String? {
        searchPath.map { "\($0)/\(name)" }.first(where: exists)
    }

    /// Whether there is a program at this path that this process may execute.
    static func exists(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
            && access(path, X_OK) == 0
    }

    /// The path with all symbolic links resolved, or the path itself when that fails.
    static func resolve(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Whether the program is part of Busybox, whose programs support fewer options.
    static func isBusybox(_ path: String) -> Bool {
        resolve(path).hasSuffix("/busybox")
    }
}
