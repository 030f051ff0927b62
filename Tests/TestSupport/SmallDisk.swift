public import Foundation
import Glibc

/// A file system that really runs out of room.
public struct SmallDisk: Sendable {
  /// Only root may mount a file system.
  public static let canMount = geteuid() == 0
  /// For the tests that are skipped where it cannot.
  public static let reason = "it takes root to mount a small file system"

  /// Why there is none.
  public struct Failure: Error {
    let what: String
    let errno: Int32
  }

  /// Where it is mounted.
  public let folder: URL

  /// A path on it.
  public func path(_ name: String) -> String {
    folder.appending(path: name).path(percentEncoded: false)
  }

  /// Mounts one while `body` runs.
  public static func with<Result>(
    megabytes: Int, isolation: isolated (any Actor)? = #isolation,
    _ body: (SmallDisk) async throws -> Result
  ) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-disk-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path(percentEncoded: false)
    guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
      throw Failure(what: "mount", errno: errno)
    }
    defer { umount2(path, Int32(MNT_DETACH)) }
    return try await body(SmallDisk(folder: folder))
  }

  /// Writes a file until there is no room, or as much as is asked for.
  public func fill(_ name: String, bytes limit: Int = .max) throws {
    let descriptor = open(path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Failure(what: "open", errno: errno) }
    defer { close(descriptor) }
    let block = [UInt8](repeating: 7, count: 4_096)
    var written = 0
    while written < limit {
      guard write(descriptor, block, block.count) == block.count else {
        guard errno == ENOSPC else { throw Failure(what: "write", errno: errno) }
        return
      }
      written += block.count
    }
  }

  /// Makes room again.
  public func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path(name))
  }
}
