/// A wait for a lock has ended without the lock, and is to be begun anew: it held up others on the server, or PL/pgSQL is not to be
/// had there.
struct WaitToBeginAnew: Error {}
