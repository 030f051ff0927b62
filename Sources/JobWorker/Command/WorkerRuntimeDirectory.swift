import Foundation
import Synchronization
import SystemPackage

/// A worker process's private directory: the lifeline of its shepherds, and the FIFOs of its
/// programs.
///
/// One per worker process, held for as long as the worker runs programs. This process alone holds
/// the lifeline open for writing, so the kernel tells every shepherd of its end, however it comes.
final class WorkerRuntimeDirectory: Sendable {
  let path: FilePath
  let shepherd: FilePath
  var lifeline: FilePath { path.appending("lifeline") }

  private let open: Mutex<Descriptors?>
  private let lastNumber = Atomic<Int>(0)

  private struct Descriptors {
    let directory: FileDescriptor
    let lifeline: FileDescriptor
  }

  /// - Parameter parent: where to make the directory; by default `TMPDIR`, or `/tmp`.
  /// - Throws: ``CommandError`` when the shepherd is not installed, or the directory cannot be
  ///   made.
  init(
    in parent: FilePath? = nil, locator: ShepherdLocator = ShepherdLocator()
  ) throws(CommandError) {
    shepherd = try locator.locate()
    let parent = parent ?? FilePath(FileManager.default.temporaryDirectory.path)
    Self.sweep(parent)
    var made = try Self.make(in: parent)
    // Between its making and its locking another worker may have taken it for a leftover.
    for _ in 0..<10 where made == nil { made = try Self.make(in: parent) }
    guard let made else {
      throw .runtimeDirectory(
        path: parent.string, reason: "each directory that is made in it is gone at once")
    }
    path = made.path
    open = Mutex(made.descriptors)
  }

  /// Whether it is there still: cleaners of /tmp may have taken it, or parts of it.
  var isIntact: Bool {
    open.withLock { open in
      guard let open else { return false }
      var (held, named) = (stat(), stat())
      return fstat(open.lifeline.rawValue, &held) == 0 && stat(lifeline.string, &named) == 0
        && held.st_dev == named.st_dev && held.st_ino == named.st_ino
        && access(path.string, W_OK | X_OK) == 0
    }
  }

  deinit { close() }

  /// A path in the directory for one program, with this name and a number that no other has.
  func newPath(_ name: String) -> FilePath {
    path.appending("\(name)-\(lastNumber.add(1, ordering: .relaxed).newValue)")
  }

  /// Removes the directory. Whatever still runs is killed at once, as if the worker had died.
  func close() {
    let descriptors = open.withLock { open in
      defer { open = nil }
      return open
    }
    guard let descriptors else { return }
    // Nothing can be done about a failure here, and nothing of this process depends on it.
    try? descriptors.lifeline.close()
    try? FileManager.default.removeItem(atPath: path.string)
    try? descriptors.directory.close()
  }

  /// - Returns: `nil` when it is gone again.
  private static func make(
    in parent: FilePath
  ) throws(CommandError) -> (path: FilePath, descriptors: Descriptors)? {
    let path = try makeDirectory(in: parent)
    do throws(CommandError) {
      guard let descriptors = try openDescriptors(in: path) else { return nil }
      return (path, descriptors)
    } catch {
      try? FileManager.default.removeItem(atPath: path.string)
      throw error
    }
  }

  /// Makes a directory that only this user can enter (mkdtemp(3)).
  private static func makeDirectory(in parent: FilePath) throws(CommandError) -> FilePath {
    let pattern = parent.appending(prefix + "XXXXXX").string
    var name = Array(pattern.utf8CString)
    guard mkdtemp(&name) != nil else {
      throw .runtimeDirectory(path: pattern, reason: Errno(rawValue: errno).text)
    }
    return FilePath(String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
  }

  private static func openDescriptors(in path: FilePath) throws(CommandError) -> Descriptors? {
    let lifeline = path.appending("lifeline")
    var opened: FileDescriptor?
    do {
      let directory = try FileDescriptor.open(
        path, .readOnly, options: [.directory, .closeOnExec])
      opened = directory
      // Says that its worker lives, to workers that sweep and to cleaners of /tmp (tmpfiles.d(5)), however old its files
      // become. A file system without locks has no sweepers either.
      guard flock(directory.rawValue, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
        try? directory.close()
        return nil
      }
      guard mkfifo(lifeline.string, 0o600) == 0 else { throw Errno(rawValue: errno) }
      // For reading too: a FIFO without a reader cannot be opened for writing only.
      return Descriptors(
        directory: directory,
        lifeline: try FileDescriptor.open(
          lifeline, .readWrite, options: [.nonBlocking, .closeOnExec]))
    } catch {
      try? opened?.close()
      if error as? Errno == .noSuchFileOrDirectory { return nil }
      throw .runtimeDirectory(path: lifeline.string, reason: error.reason)
    }
  }

  private static let prefix = "warren-worker-"

  /// Removes what crashed workers of this user have left behind: directories whose lock nobody holds. The kernel lets go of a
  /// lock when its process is gone, however it died, and not before.
  static func sweep(_ parent: FilePath) {
    // Nothing depends on it; a parent that cannot be read is found out when the directory is made.
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: parent.string) else {
      return
    }
    for name in names where name.hasPrefix(prefix) {
      let path = parent.appending(name)
      guard
        let directory = try? FileDescriptor.open(
          path, .readOnly, options: [.directory, .closeOnExec, .noFollow])
      else { continue }
      defer { try? directory.close() }
      var status = stat()
      guard fstat(directory.rawValue, &status) == 0, status.st_uid == geteuid(),
        flock(directory.rawValue, LOCK_EX | LOCK_NB) == 0
      else { continue }
      try? FileManager.default.removeItem(atPath: path.string)
    }
  }
}
