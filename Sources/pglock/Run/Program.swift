import ChildProcesses
import CommandSupport
import Foundation

/// Finds the program that a command names, as `execvp` does.
struct Program: Sendable {
    /// Null-terminated, as the system takes it.
    let path: [CChar]

    /// Looks the name, null-terminated and as it was typed, up in the variable PATH, unless it is a path itself. If that
    /// fails, the error has the status that shells have for it.
    static func find(_ name: [CChar], searchPath: String?) throws -> Program {
        let text = text(name)
        guard name.count > 1 else { throw CommandFailure(ExitStatus.notFound, "The command's name is empty.") }
        if name.contains(CChar(47)) {
            switch check(name) {
            case .executable: return Program(path: name)
            case .missing: throw CommandFailure(ExitStatus.notFound, "\(text): there is no such file.")
            case .unusable(let why): throw CommandFailure(ExitStatus.notExecutable, "\(text): \(why).")
            }
        }
        var unusable: String?
        for folder in (searchPath ?? "/bin:/usr/bin").split(separator: ":", omittingEmptySubsequences: false) {
            // An empty entry is the current folder.
            let path = Array("\(folder.isEmpty ? "." : folder)/".utf8CString.dropLast()) + name
            switch check(path) {
            case .executable: return Program(path: path)
            case .missing: continue
            case .unusable(let why): unusable = unusable ?? why
            }
        }
        if let unusable { throw CommandFailure(ExitStatus.notExecutable, "\(text): found in PATH, but \(unusable).") }
        throw CommandFailure(ExitStatus.notFound, "\(text): command not found. PATH is searched; a shell's own commands are not.")
    }

    /// What there is to say if it can't be started, with the status that shells have for it.
    func failure(_ failure: SystemFailure) -> CommandFailure {
        let text = Self.text(path)
        return switch failure.number {
        case ENOENT:
            CommandFailure(ExitStatus.notFound, "\(text): it, or the interpreter that it names, does not exist.")
        case ENOEXEC:
            CommandFailure(
                ExitStatus.notExecutable,
                "\(text): the system can't execute it. A script has to begin with #! and its interpreter."
            )
        case EACCES: CommandFailure(ExitStatus.notExecutable, "\(text): it may not be executed.")
        default: CommandFailure(ExitStatus.systemError, failure.description)
        }
    }

    private static func text(_ bytes: [CChar]) -> String {
        String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private enum Finding {
        case executable
        case missing
        case unusable(String)
    }

    private static func check(_ path: [CChar]) -> Finding {
        var information = stat()
        guard stat(path, &information) == 0 else {
            return errno == EACCES ? .unusable("its folder may not be searched") : .missing
        }
        guard information.st_mode & S_IFMT != S_IFDIR else { return .unusable("it is a folder") }
        guard access(path, X_OK) == 0 else { return .unusable("it may not be executed") }
        return .executable
    }
}
