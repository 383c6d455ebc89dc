/// One of libpq's results in pipeline mode, as a value: made by ``RawConnection/nextResult(shape:isExpected:)``, interpreted by
/// ``PipelineDecoder``.
enum PipelineResult {
    /// libpq has read no further result.
    case pending
    /// NULL: the end of a statement's results, or no result although libpq is not busy.
    case null
    case row(BooleanRow)
    case rows(QueryResult)
    /// The statement has succeeded without a result that is of interest, or was empty.
    case complete
    case copy
    /// The statement was not run, since one before it has failed.
    case aborted
    indirect case error(ServerError)
    case sync(Reply.Transaction)
    /// The connection has failed, with libpq's message.
    case dead(String)
}
