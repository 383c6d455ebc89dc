#if canImport(CryptoKit)
    import CryptoKit
#else
    import CLibCrypto
#endif

/// A hash function that keys are made with, in the system's implementation. The keys need only be spread evenly; no security depends on
/// it.
enum HashFunction: Sendable {
    case sha1
    case sha256

    /// The HMAC of some bytes (RFC 2104).
    func authenticationCode(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        // Both functions have blocks of this size.
        let blockSize = 64
        let key = key.count > blockSize ? hash(key) : key
        let block = key + Array(repeating: 0, count: blockSize - key.count)
        return hash(block.map { $0 ^ 0x5C } + hash(block.map { $0 ^ 0x36 } + bytes))
    }
}

#if canImport(CryptoKit)
    extension HashFunction {
        func hash(_ bytes: [UInt8]) -> [UInt8] {
            switch self {
            case .sha1: Array(Insecure.SHA1.hash(data: bytes))
            case .sha256: Array(SHA256.hash(data: bytes))
            }
        }
    }
#else
    extension HashFunction {
        /// Unchecked, because it is only read.
        private struct Digest: @unchecked Sendable {
            let pointer: OpaquePointer

            init(_ name: String) {
                // Without it no key can be made.
                guard let pointer = pglock_digest(name) else { fatalError("The system's libcrypto does not have \(name).") }
                self.pointer = pointer
            }
        }

        private static let sha1Digest = Digest("SHA1")
        private static let sha256Digest = Digest("SHA256")

        private var digest: OpaquePointer {
            switch self {
            case .sha1: Self.sha1Digest.pointer
            case .sha256: Self.sha256Digest.pointer
            }
        }

        func hash(_ bytes: [UInt8]) -> [UInt8] {
            Array(unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { output, count in
                var length: UInt32 = 0
                guard EVP_Digest(bytes, bytes.count, output.baseAddress, &length, digest, nil) == 1 else {
                    fatalError("The system's libcrypto can't hash (\(self)): its memory is exhausted.")
                }
                count = Int(length)
            }
        }
    }
#endif
