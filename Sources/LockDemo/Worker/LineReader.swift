import CommandSupport

/// Reads lines until there are no more.
enum LineReader {
    static func read(_ descriptor: Int32, _ body: (String) -> Void) {
        var line: [UInt8] = []
        while true {
            let bytes = Descriptor.read(descriptor)
            guard !bytes.isEmpty else { return }
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
