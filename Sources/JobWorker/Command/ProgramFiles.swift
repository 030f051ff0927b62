import Foundation
import Jobs
import SystemPackage

/// What a program finds on its standard input: a file without a name, not a pipe. So a program may
/// read it, or not, or half of it, whenever it likes: nobody waits to write, and nobody gets
/// SIGPIPE.
struct StandardInput: Sendable {
  /// Open for reading, at the beginning.
  let descriptor: FileDescriptor

  /// - Parameters:
  ///   - params: written as one line of JSON.
  ///   - path: where to make the file, in a directory that nobody else can enter; its name is gone
  ///     when this returns.
  init(_ params: JSONValue, at path: FilePath) throws(CommandError) {
    let text = params.text + "\n"
    do {
      defer { _ = unlink(path.string) }
      try text.write(toNew: path)
      descriptor = try .open(path, .readOnly, options: .closeOnExec)
    } catch {
      throw CommandError("the params", text, path, error)
    }
  }

  func close() {
    // The file is gone with its last descriptor, whatever close(2) says.
    try? descriptor.close()
  }
}

/// The snapshot that a program goes on from: a file that it may read, or not.
struct SnapshotFile: Sendable {
  let path: FilePath

  /// - Parameter path: where to make the file, in a directory that nobody else can enter.
  init(_ snapshot: JSONValue, at path: FilePath) throws(CommandError) {
    self.path = path
    let text = snapshot.text + "\n"
    do {
      try text.write(toNew: path)
    } catch {
      // What was written of it may be the room that others need.
      _ = unlink(path.string)
      throw CommandError("the snapshot", text, path, error)
    }
  }

  func remove() {
    // It goes with its directory at the latest.
    _ = unlink(path.string)
  }
}

extension String {
  /// Of a file that is larger it is looked up beforehand whether it fits.
  private static let small = 64 << 10

  /// Writes a file that only this user may read.
  fileprivate func write(toNew path: FilePath) throws {
    // A large one that does not fit would take, until that is found out, the room that the small ones of other jobs need.
    let size = UInt64(utf8.count)
    if size > Self.small, let room = Self.room(in: path.removingLastComponent()), room < size {
      throw Errno.noSpace
    }
    let writer = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
      permissions: .ownerReadWrite)
    _ = try writer.closeAfter { try writer.writeAll(utf8) }
  }

  /// How many bytes fit; `nil` where that is not known, or without limit.
  private static func room(in directory: FilePath) -> UInt64? {
    var system = statvfs()
    guard statvfs(directory.string, &system) == 0, system.f_blocks > 0 else { return nil }
    // A part is kept for root.
    let blocks = geteuid() == 0 ? system.f_bfree : system.f_bavail
    let (bytes, isOverflow) = UInt64(blocks).multipliedReportingOverflow(
      by: UInt64(system.f_frsize))
    return isOverflow ? nil : bytes
  }
}

extension CommandError {
  fileprivate init(_ what: String, _ text: String, _ path: FilePath, _ error: any Error) {
    self = .cannotWrite(
      what: what, bytes: text.utf8.count, path: path.string,
      reason: error.reason)
  }
}
