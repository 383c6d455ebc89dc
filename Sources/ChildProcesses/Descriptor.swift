import Foundation

/// Reads and writes descriptors, and repeats calls that a signal has interrupted.
package enum Descriptor {
    /// - Returns: Whether the whole text was written.
    package static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var written = 0
            while written < bytes.count {
                let count = Foundation.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                written += count
            }
            return true
        }
    }

    /// - Returns: The available bytes, at least one; empty at the end and after an error.
    package static func read(_ descriptor: Int32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            var result: Int
            repeat {
                result = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
            } while result < 0 && errno == EINTR
            count = max(0, result)
        }
    }

    /// Reads lines until the end.
    package static func readLines(_ descriptor: Int32, _ body: (String) -> Void) {
        var line: [UInt8] = []
        while case let bytes = read(descriptor), !bytes.isEmpty {
            for byte in bytes {
                if byte == UInt8(ascii: "\n") {
                    body(String(decoding: line, as: UTF8.self))
                    line = []
                } else {
                    line.append(byte)
                }
            }
        }
    }
}
