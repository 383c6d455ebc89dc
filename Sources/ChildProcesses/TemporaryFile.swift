import Foundation

/// An unlinked file for a child's input and output. Unlike a pipe it does not fill up, so it need not be read while the child runs.
final class TemporaryFile: Sendable {
    let descriptor: Int32

    init(containing text: String = "") throws(SystemFailure) {
        // `mkstemp` can't open the file close-on-exec.
        let path = "/tmp/pglock-io-\(UInt64.random(in: .min ... .max))"
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("Creating a file in /tmp failed", errno) }
        unlink(path)
        guard Descriptor.write(text, to: descriptor) else { throw SystemFailure("Writing a file in /tmp failed", errno) }
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit {
        close(descriptor)
    }

    /// The whole content of the file. Its position stays the same.
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
