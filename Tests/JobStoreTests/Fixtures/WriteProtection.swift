import Foundation

/// Protects a file or folder against writing while a test runs: for the superuser, to whom permissions mean nothing, by
/// the file system's immutable flag.
enum WriteProtection {
  private static let isSuperuser = geteuid() == 0

  /// Whether there is a way to do so here: some file systems know no such flag.
  static let isPossible: Bool = {
    guard isSuperuser else { return true }
    guard let folder = try? TemporaryFolder() else { return false }
    let file = folder.file("probe")
    guard FileManager.default.createFile(atPath: file, contents: nil) else { return false }
    guard (try? run("chattr", "+i", file)) == true else { return false }
    return (try? run("chattr", "-i", file)) == true
  }()

  /// Protects it for as long as the body runs.
  static func protecting(_ path: String, _ body: () throws -> Void) throws {
    let permissions = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
    try set(path, protected: true, permissions: 0o555)
    defer { try? set(path, protected: false, permissions: permissions) }
    try body()
  }

  private static func set(_ path: String, protected: Bool, permissions: Any?) throws {
    if isSuperuser {
      guard try run("chattr", protected ? "+i" : "-i", path) else {
        throw CocoaError(.fileWriteNoPermission)
      }
    } else if let permissions {
      try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: path)
    }
  }

  private static func run(_ arguments: String...) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
