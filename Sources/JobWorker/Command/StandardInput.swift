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
    do {
      let writer = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: .ownerReadWrite)
      descriptor = try writer.closeAfter {
        defer { _ = unlink(path.string) }
        try writer.writeAll((params.text + "\n").utf8)
        return try .open(path, .readOnly, options: .closeOnExec)
      }
    } catch {
      throw .runtimeDirectory(path: path.string, reason: "\(error)")
    }
  }

  func close() {
    // The file is gone with its last descriptor, whatever close(2) says.
    try? descriptor.close()
  }
}
