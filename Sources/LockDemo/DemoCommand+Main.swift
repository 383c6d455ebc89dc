import ArgumentParser
import ChildProcesses
import CommandSupport
import Foundation
import PostgresLock
import PostgresLockTesting

extension DemoCommand {
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            fail(failure.message, failure.status)
        } catch let failure as SystemFailure {
            fail(failure.description, ExitStatus.systemError)
        } catch let error as LockError {
            fail(error.message, ExitStatus.failure)
        } catch let error as EphemeralPostgresError {
            fail(error.message, ExitStatus.unavailable)
        } catch {
            exit(withError: error)
        }
    }

    private static func fail(_ message: String, _ status: Int32) -> Never {
        _ = Descriptor.write("LockDemo: \(message)\n", to: STDERR_FILENO)
        Foundation.exit(status)
    }
}
