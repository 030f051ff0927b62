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
    path = try Self.makeDirectory(in: parent)
    do {
      open = Mutex(try Self.openDescriptors(in: path))
    } catch {
      try? FileManager.default.removeItem(atPath: path.string)
      throw error
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

  /// Makes a directory that only this user can enter (mkdtemp(3)).
  private static func makeDirectory(in parent: FilePath) throws(CommandError) -> FilePath {
    let pattern = parent.appending("warren-worker-XXXXXX").string
    var name = Array(pattern.utf8CString)
    guard mkdtemp(&name) != nil else {
      throw .runtimeDirectory(path: pattern, reason: Errno(rawValue: errno).description)
    }
    return FilePath(String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
  }

  private static func openDescriptors(in path: FilePath) throws(CommandError) -> Descriptors {
    let lifeline = path.appending("lifeline")
    do {
      let directory = try FileDescriptor.open(
        path, .readOnly, options: [.directory, .closeOnExec])
      // Cleaners of /tmp leave a locked directory alone (tmpfiles.d(5)), however old its files
      // become.
      _ = flock(directory.rawValue, LOCK_EX | LOCK_NB)
      guard mkfifo(lifeline.string, 0o600) == 0 else { throw Errno(rawValue: errno) }
      // For reading too: a FIFO without a reader cannot be opened for writing only.
      return Descriptors(
        directory: directory,
        lifeline: try FileDescriptor.open(
          lifeline, .readWrite, options: [.nonBlocking, .closeOnExec]))
    } catch {
      throw .runtimeDirectory(path: lifeline.string, reason: "\(error)")
    }
  }
}
