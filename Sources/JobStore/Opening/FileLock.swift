import Foundation
import Jobs
import Synchronization

/// The right to be the only store on a file: a lock on a file beside it, which the kernel lifts when the process ends,
/// however it ends.
///
/// SQLite's own exclusive mode would shut out the store's readers too. The lock is not on the database file itself,
/// because closing any descriptor of that file would drop the locks that SQLite holds on it (POSIX `fcntl` locks).
/// `flock` locks belong to the descriptor, so a second store of the same process is refused as well.
final class FileLock: Sendable {
  private let descriptor: Mutex<Int32?>

  /// - Throws: ``StoreFileError/inUse(path:process:)`` when the lock is taken; `readOnly`, `diskFull` or `cannotOpen` when
  ///   the lock file cannot be made.
  init(forDatabase path: String) throws(StoreFileError) {
    let lockPath = path + ".lock"
    // Not inherited by the programs that this process starts: they would keep the lock when it is killed.
    let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure(errno, path: path, lockPath: lockPath) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      let holder = (try? file.read(upToCount: 20)).flatMap { String(data: $0, encoding: .utf8) }
      close(descriptor)
      guard reason == EWOULDBLOCK else {
        throw Self.failure(reason, path: path, lockPath: lockPath)
      }
      throw .inUse(path: path, process: holder.flatMap { Int32($0) }.map(String.init))
    }
    // Who has it is only told to people: the lock holds without it, so a full disk is no matter here.
    try? file.truncate(atOffset: 0)
    try? file.write(contentsOf: Data("\(ProcessInfo.processInfo.processIdentifier)".utf8))
    self.descriptor = Mutex(descriptor)
  }

  deinit {
    release()
  }

  /// Lets others have the file.
  func release() {
    descriptor.withLock { descriptor in
      if let open = descriptor {
        // Closing alone would leave it to a child process that is just being made, until that one calls exec.
        _ = flock(open, LOCK_UN)
        close(open)
      }
      descriptor = nil
    }
  }

  private static func failure(_ reason: Int32, path: String, lockPath: String) -> StoreFileError {
    let words = "\(lockPath): \(String(cString: strerror(reason)))"
    return switch reason {
    case EROFS, EACCES, EPERM: .store(.readOnly(words))
    case ENOSPC, EDQUOT: .store(.diskFull)
    default: .cannotOpen(path: path, why: words)
    }
  }
}
