// For `environ`, which its module declares as a plain variable. It is read while nothing here writes to it.
@preconcurrency import Foundation

/// Our environment, byte for byte, with changes.
enum ChildEnvironment {
    /// The variables, null-terminated. Those that change to `nil` are left out.
    static func bytes(changing changes: [String: String?]) -> [[CChar]] {
        var variables: [[CChar]] = []
        var next = environ
        while let variable = next.pointee {
            let text = UnsafeBufferPointer(start: variable, count: strlen(variable) + 1)
            let name = String(decoding: text.prefix { $0 != CChar(61) }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if !changes.keys.contains(name) { variables.append(Array(text)) }
            next += 1
        }
        for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
            if let value { variables.append(Array("\(name)=\(value)".utf8CString)) }
        }
        return variables
    }
}
