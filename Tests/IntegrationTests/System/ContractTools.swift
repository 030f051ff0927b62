import Foundation
import TestSupport

/// What the tests of the contracts run: a Python with the packages of Tests/Contracts/requirements.txt.
enum ContractTools {
  static let folder = WarrenSystem.root.appending(path: "Tests/Contracts")

  /// `sh compose/test` makes it, and names it.
  static var python: String {
    get throws {
      guard let path = ProcessInfo.processInfo.environment["WARREN_TEST_PYTHON"] else {
        throw NotInTime(
          what:
            "WARREN_TEST_PYTHON to be set: the python of a virtual environment with the packages"
            + " of Tests/Contracts/requirements.txt, as compose/native/python.sh makes it")
      }
      return path
    }
  }

  /// Runs one of the scripts to its end.
  static func run(
    _ script: String, _ arguments: [String], _ system: WarrenSystem
  ) async throws -> (exitCode: Int32, output: String) {
    try await system.run(
      python, [folder.appending(path: script).path] + arguments,
      environment: ["PYTHONDONTWRITEBYTECODE": "1"], within: .seconds(180))
  }
}
