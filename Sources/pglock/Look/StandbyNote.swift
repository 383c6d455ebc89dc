import PostgresLock

/// What is to be known of locks that are seen on a standby.
enum StandbyNote {
    static let text = """
        This server is a standby (pg_is_in_recovery). It shows only locks that were taken on itself, which exclude no session of the primary, and \
        not those of the primary.
        """
    /// Where there is little room.
    static let short = "A standby: only locks that were taken on itself."
}

extension LockLook.Found {
    /// `nil` on a primary.
    var standbyNote: String? { isStandby ? StandbyNote.text : nil }
}
