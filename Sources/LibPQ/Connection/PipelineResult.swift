/// What libpq has to say next about what was sent, as a value: made by ``RawConnection/nextResult(shape:isExpected:)``, understood by
/// ``PipelineDecoder``.
enum PipelineResult {
    /// It has read nothing more that belongs to what was sent.
    case pending
    /// NULL: the end of a statement's results; or there is nothing, although libpq is not busy.
    case null
    case row(BooleanRow)
    case rows(QueryResult)
    /// The statement has succeeded, and what it returns is not wanted, or nothing; or it was empty.
    case complete
    case copy
    /// The statement was not run, since one before it has failed.
    case aborted
    indirect case error(ServerError)
    case sync(Reply.Transaction)
    /// The connection can't be used any more; with libpq's message.
    case dead(String)
}
