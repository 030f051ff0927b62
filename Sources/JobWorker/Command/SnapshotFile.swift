import Foundation
import Jobs
import SystemPackage

/// The snapshot that a program goes on from: a file that it may read, or not.
struct SnapshotFile: Sendable {
  let path: FilePath

  /// - Parameter path: where to make the file, in a directory that nobody else can enter.
  init(_ snapshot: JSONValue, at path: FilePath) throws(CommandError) {
    self.path = path
    do {
      let writer = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: .ownerReadWrite)
      _ = try writer.closeAfter { try writer.writeAll((snapshot.text + "\n").utf8) }
    } catch {
      throw .runtimeDirectory(path: path.string, reason: "\(error)")
    }
  }

  func remove() {
    // It goes with its directory at the latest.
    _ = unlink(path.string)
  }
}
