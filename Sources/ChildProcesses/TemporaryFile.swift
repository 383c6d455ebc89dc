import Foundation

/// A file without a name, for a child's input and output: unlike a pipe it never fills up, so nobody has to read it
/// while the child runs.
final class TemporaryFile: Sendable {
    let descriptor: Int32

    init(containing text: String = "") throws(SystemFailure) {
        // Not `mkstemp`, which can't open the file close-on-exec.
        let path = "/tmp/pglock-io-\(UInt64.random(in: .min ... .max))"
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("Making a file in /tmp failed", errno) }
        unlink(path)
        guard Descriptor.write(text, to: descriptor) else { throw SystemFailure("Writing a file in /tmp failed", errno) }
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit {
        close(descriptor)
    }

    /// Everything in the file, wherever its position is.
    func contents() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
