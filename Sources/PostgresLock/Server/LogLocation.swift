/// A location in the server's log (its WAL), as PostgreSQL writes it: two halves of 32 bits, as hexadecimal numbers.
extension UInt64 {
    init?(logLocation text: String) {
        let halves = text.split(separator: "/")
        guard halves.count == 2, let upper = UInt64(halves[0], radix: 16), let lower = UInt64(halves[1], radix: 16) else { return nil }
        self = upper << 32 | lower
    }

    var logLocation: String {
        "\(String(self >> 32, radix: 16, uppercase: true))/\(String(self & 0xffff_ffff, radix: 16, uppercase: true))"
    }
}
