package import LockCore

/// What is locked: a number, in one of PostgreSQL's two key spaces, and the name that it was made from, if any.
///
/// ```swift
/// let orders: LockKey = "orders:42"          // derived from the name
/// let raw = LockKey(number: 42)              // PostgreSQL's pg_advisory_lock(42)
/// let pair = LockKey(1, 42)                  // PostgreSQL's pg_advisory_lock(1, 42)
/// ```
///
/// Two keys are equal if they are the same lock for PostgreSQL. The name does not matter: the composed and the decomposed form of
/// "café" are equal strings in Swift, but their UTF-8 differs, and so do their numbers.
///
/// Wherever a method takes a key, it takes a `String` or a `Substring`, too, whose key is ``init(_:)-(String)``.
///
/// An advisory lock belongs to a database. The same key in two databases of one server is two locks.
public struct LockKey: Sendable {
    package let advisory: AdvisoryKey

    /// What the key was made from, or `nil` if it was made from numbers.
    public let name: String?

    /// The key of a name.
    ///
    /// The number is the first 8 bytes of the SHA-1 of the name's UTF-8, read as a signed big-endian integer: the
    /// derivation of Python's `postgresql-lock`, so that both exclude each other.
    ///
    /// - Parameter name: Any text, byte for byte. The empty text is refused when the key is used.
    public init(_ name: String) {
        self.name = name
        let bits = HashFunction.sha1.hash(Array(name.utf8)).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        advisory = AdvisoryKey(Int64(bitPattern: bits))
    }

    /// The key of a value's description, as Python's `Lock(connection, key)` uses `str(key)`.
    ///
    /// `LockKey(describing: 42)` is the key of the text `42`, and not `LockKey(number: 42)`. Where Swift and Python
    /// describe a value differently (`true` and `True`), so are the keys different.
    ///
    /// - Parameter value: Its `description` is what counts.
    public init(describing value: some CustomStringConvertible) {
        self.init(value.description)
    }

    /// - Parameter name: What another library makes this key of.
    package init(name: String? = nil, _ advisory: AdvisoryKey) {
        self.name = name
        self.advisory = advisory
    }

    private static let empty = LockKey("")

    /// Whether it is the key of the empty text. Other libraries may make another key of that.
    var isUnnamed: Bool { name?.isEmpty == true && self == Self.empty }

    /// A key of PostgreSQL's space of 64-bit keys, as it is.
    public init(number: Int64) {
        self.init(AdvisoryKey(number))
    }

    /// A key of PostgreSQL's space of pairs of 32-bit keys, which never meets the other one.
    public init(_ first: Int32, _ second: Int32) {
        self.init(AdvisoryKey(first, second))
    }

    /// The number of a 64-bit key, or `nil` if the key is a pair.
    public var number: Int64? {
        advisory.space == .int8 ? advisory.bits : nil
    }

    /// The two numbers of a pair, or `nil` if the key is a single number.
    public var pair: (first: Int32, second: Int32)? {
        advisory.space == .int4Pair ? advisory.pair : nil
    }
}

extension LockKey: Hashable {
    /// Whether both are the same lock for PostgreSQL.
    public static func == (left: LockKey, right: LockKey) -> Bool {
        left.advisory == right.advisory
    }

    /// Hashes the number, not the name.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(advisory)
    }
}

extension LockKey: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// The key of a name: see ``init(_:)-(String)``.
    public init(stringLiteral name: String) {
        self.init(name)
    }
}

extension LockKey: CustomStringConvertible {
    /// The name and the number: `"orders:42" (1127154695574559308)`. Of a long name the first 100 characters; what would break or forge a line of
    /// a log is escaped.
    public var description: String {
        name.map { "\"\(Self.shown($0))\" (\(advisory))" } ?? "\(advisory)"
    }

    private static func shown(_ name: String) -> String {
        let scalars = name.unicodeScalars
        let shown = scalars.prefix(100)
        guard shown.endIndex != scalars.endIndex || shown.contains(where: isHidden) else { return name }
        let text = shown.map { isHidden($0) ? $0.escaped(asASCII: true) : String($0) }.joined()
        return shown.endIndex == scalars.endIndex ? text : text + "…"
    }

    /// Whether a character is not shown as itself, but acts on the text around it.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
    }
}
