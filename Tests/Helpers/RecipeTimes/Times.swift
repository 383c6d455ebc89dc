import Foundation

/// Times, in milliseconds for people.
struct Times: CustomStringConvertible {
    var seconds: [Double]

    var description: String {
        guard let last = seconds.max() else { return "none" }
        return "median \(text(seconds.sorted()[seconds.count / 2])), most \(text(last)), of \(seconds.count)"
    }

    private func text(_ seconds: Double) -> String { String(format: "%.0f ms", seconds * 1000) }
}

/// Prints a line at once, also into a file.
func say(_ line: String) {
    print(line)
    fflush(nil)
}
