/// How long candidates pause. All of it is random, so that they don't act at the same moment.
package enum CampaignPause {
    /// Between two tries. A stand-by tries instead of waiting in the server's queue, because a wait holds a snapshot for as long as it lasts.
    package static var poll: Duration { .milliseconds(.random(in: 250...1_000)) }

    /// After a term, so that another process gets the lead: longer than any ``poll``.
    package static var rest: Duration { .milliseconds(.random(in: 2_000...3_000)) }
}
