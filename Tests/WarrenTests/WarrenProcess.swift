import Foundation
import TestSupport

/// The built `warren`, run as people run it.
struct WarrenProcess {
  struct Ended: Sendable {
    let status: Int32
    let output: String
    let error: String
  }

  /// Where the tests' own products stand.
  private static var program: URL {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    let product = bundle?.bundleURL ?? URL(filePath: CommandLine.arguments[0])
    return product.deletingLastPathComponent().appending(path: "warren")
  }

  /// Runs it to its end, at most for 30 s.
  ///
  /// - Parameter started: told of the process when it runs; it may be sent a signal then.
  static func run(
    _ arguments: [String], environment: [String: String] = [:],
    started: (Process) async throws -> Void = { _ in }
  ) async throws -> Ended {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func file(_ name: String) throws -> (url: URL, handle: FileHandle) {
      let url = folder.appending(path: name)
      try Data().write(to: url)
      return (url, try FileHandle(forWritingTo: url))
    }
    let output = try file("output")
    let error = try file("error")
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("WARREN_") }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output.handle
    process.standardError = error.handle
    let ended = Signal()
    process.terminationHandler = { _ in ended.fire() }
    try process.run()
    defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    try await started(process)
    guard await ended.wait(for: .seconds(30)) else { throw CancellationError() }
    return Ended(
      status: process.terminationStatus,
      output: try String(contentsOf: output.url, encoding: .utf8),
      error: try String(contentsOf: error.url, encoding: .utf8))
  }
}
