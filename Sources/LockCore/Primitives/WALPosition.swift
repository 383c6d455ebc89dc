/// A position in a server's write-ahead log. Positions are ordered as they were written: the log only grows, and a promoted standby, whose
/// log may be shorter than that of the primary, begins a timeline with a higher number.
package struct WALPosition: Hashable, Sendable, Comparable {
    package let timeline: UInt32
    package let location: UInt64

    package init(timeline: UInt32, location: UInt64) {
        self.timeline = timeline
        self.location = location
    }

    package static func < (one: Self, other: Self) -> Bool {
        (one.timeline, one.location) < (other.timeline, other.location)
    }
}
