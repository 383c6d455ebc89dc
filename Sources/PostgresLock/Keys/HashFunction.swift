#if canImport(CryptoKit)
    import CryptoKit
#else
    import CLibCrypto
#endif

/// A hash function that keys are made with: as the system has it, so that no other has to be built and trusted. They spread names; they
/// keep no secrets.
enum HashFunction: Sendable {
    case sha1
    case sha256
}

#if canImport(CryptoKit)
    extension HashFunction {
        func hash(_ bytes: [UInt8]) -> [UInt8] {
            switch self {
            case .sha1: Array(Insecure.SHA1.hash(data: bytes))
            case .sha256: Array(SHA256.hash(data: bytes))
            }
        }

        /// The HMAC of some bytes (RFC 2104).
        func authenticationCode(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
            let key = SymmetricKey(data: key)
            return switch self {
            case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: key))
            case .sha256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
            }
        }
    }
#else
    extension HashFunction {
        /// Unchecked, because it is only read.
        private struct Digest: @unchecked Sendable {
            let pointer: OpaquePointer

            init(_ name: String) {
                // A library without it can make no key.
                guard let pointer = pglock_digest(name) else { fatalError("The system's libcrypto does not offer \(name).") }
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
            result { output, count in EVP_Digest(bytes, bytes.count, output, &count, digest, nil) == 1 }
        }

        /// The HMAC of some bytes (RFC 2104).
        func authenticationCode(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
            result { output, count in HMAC(digest, key, Int32(key.count), bytes, bytes.count, output, &count) != nil }
        }

        private func result(_ compute: (UnsafeMutablePointer<UInt8>, inout UInt32) -> Bool) -> [UInt8] {
            Array(unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { output, count in
                var length: UInt32 = 0
                guard let start = output.baseAddress, compute(start, &length) else {
                    fatalError("The system's libcrypto failed to hash (\(self)): it is out of memory, or does not allow it.")
                }
                count = Int(length)
            }
        }
    }
#endif
