import Foundation
import TestSupport

/// The Python programs of the tests of the contracts (`compose/native/python.sh`).
enum ContractTools {
  static let folder = WarrenSystem.root.appending(path: "Tests/Contracts")

  /// The path of a program of the environment.
  ///
  /// - Throws: when the environment is not there: what it would have found must not be taken for right.
  static func program(_ name: String) throws -> String {
    guard let python = ProcessInfo.processInfo.environment["WARREN_TEST_PYTHON"] else {
      throw MissingTools(
        description: "WARREN_TEST_PYTHON is not set: compose/test sets it, once it has made"
          + " .warren/venv from Tests/Contracts/requirements.txt; by hand it is"
          + " $PWD/.warren/venv/bin/python")
    }
    let path = URL(filePath: python).deletingLastPathComponent().appending(path: name).path
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw MissingTools(
        description: "there is no \(path): is WARREN_TEST_PYTHON the environment of compose/test?")
    }
    return path
  }

  static var python: String {
    get throws { try program("python") }
  }

  /// Runs one of the scripts to its end.
  static func run(
    _ script: String, _ arguments: [String], _ system: WarrenSystem
  ) async throws -> (exitCode: Int32, output: String) {
    try await system.run(
      python, [folder.appending(path: script).path] + arguments,
      environment: ["PYTHONDONTWRITEBYTECODE": "1"], within: .seconds(180))
  }

  struct MissingTools: Error, CustomStringConvertible {
    let description: String
  }
}
