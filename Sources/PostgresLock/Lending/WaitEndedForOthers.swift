/// A wait for a lock was ended because it held up others on the server, and is to be begun anew.
struct WaitEndedForOthers: Error {}
