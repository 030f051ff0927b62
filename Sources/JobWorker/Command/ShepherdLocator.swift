import Foundation
import SystemPackage

/// Finds the executable `warren-shepherd`.
struct ShepherdLocator: Sendable {
  /// Its path, when the operator names it: then it is looked for nowhere else.
  var named: String?
  /// Where the running executable is; the shepherd is installed beside it, and built beside the
  /// tests.
  var executableDirectory: FilePath?

  /// Of this process.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    named = environment["WARREN_SHEPHERD"].flatMap { $0.isEmpty ? nil : $0 }
    // The link can be read for every process of one's own; where there is no /proc, there is no
    // such place.
    let executable = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    executableDirectory = executable.map { FilePath($0).removingLastComponent() }
  }

  /// - Throws: ``CommandError/noShepherd(looked:)``.
  func locate() throws(CommandError) -> FilePath {
    let candidate: FilePath
    if let named {
      candidate = FilePath(named)
    } else if let executableDirectory {
      candidate = executableDirectory.appending("warren-shepherd")
    } else {
      throw .noShepherd(looked: ["/proc/self/exe"])
    }
    guard FileManager.default.isExecutableFile(atPath: candidate.string) else {
      throw .noShepherd(looked: [candidate.string])
    }
    // The program may run in another directory, in which a relative path would mean another file.
    let current = FilePath(FileManager.default.currentDirectoryPath)
    return candidate.isAbsolute ? candidate : current.pushing(candidate)
  }
}
