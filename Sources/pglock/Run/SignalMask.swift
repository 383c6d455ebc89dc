import Foundation

/// The signals that were blocked when this process was started.
///
/// A command is to find the mask that we have found. Dispatch's threads, one of which will start the command, block
/// nearly everything.
enum SignalMask {
    /// Read on first use, which is the first thing that `main` does.
    static let inherited: sigset_t = {
        var mask = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &mask)
        return mask
    }()
}
