import Synchronization
import SystemPackage

/// Room for the descriptors that one start of a program takes.
///
/// It is looked for beforehand, because a start that runs out of them half-way is beyond help: Subprocess 1.0 ends the process
/// when it can open one pipe and not the next, and waits for ever for a program whose process descriptor it could not open.
final class DescriptorRoom: Sendable {
  /// Two pipes, the working directory, what posix_spawn(3) may use, and the process descriptor.
  private static let forStart = 8
  /// For whoever else of the process opens something meanwhile.
  private static let forOthers = 8
  /// What starts have been promised that are under way. Some of it may be taken already, so that this errs on the safe side.
  private static let promised = Mutex(0)

  /// Not before the end of an init that may throw: deinit runs after that, too.
  private let isTaken = Atomic(false)

  /// - Throws: the error of the kernel that a start would meet.
  init() throws(Errno) {
    let failure = Self.promised.withLock { promised -> Errno? in
      var opened: [FileDescriptor] = []
      // Of a directory that is only read, close(2) has nothing to tell.
      defer { for descriptor in opened { try? descriptor.close() } }
      do {
        for _ in 0..<promised + Self.forStart + Self.forOthers {
          opened.append(try .open("/", .readOnly, options: [.directory, .closeOnExec]))
        }
      } catch {
        return error as? Errno ?? .tooManyOpenFiles
      }
      promised += Self.forStart
      return nil
    }
    if let failure { throw failure }
    isTaken.store(true, ordering: .releasing)
  }

  /// The start has what it needs, or has failed.
  func leave() {
    guard isTaken.exchange(false, ordering: .acquiringAndReleasing) else { return }
    Self.promised.withLock { $0 -= Self.forStart }
  }

  deinit { leave() }
}
