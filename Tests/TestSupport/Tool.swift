public import Foundation
import Subprocess
import SystemPackage

/// Runs a program to its end.
public enum Tool {
  private static let bound = Duration.seconds(60)

  /// What the program printed. Throws it if the program failed, or took more than a minute.
  @discardableResult
  public static func run(
    _ path: String, _ arguments: [String], environment: [String: String]? = nil,
    directory: URL? = nil
  ) async throws -> String {
    let folder = (directory ?? FileManager.default.temporaryDirectory).path(percentEncoded: false)
    let result = try await bounded(bound) {
      try await Subprocess.run(
        .path(FilePath(path)), arguments: Arguments(arguments),
        environment: environment.map(Self.environment) ?? .inherit,
        workingDirectory: FilePath(folder), output: .string(limit: 64 << 20),
        error: .combinedWithOutput)
    }
    guard let result else { throw BrokerFailure("\(path) \(arguments) takes too long") }
    let output = result.standardOutput
    guard result.terminationStatus.isSuccess else {
      throw BrokerFailure(
        "\(path) \(arguments) failed: \(result.terminationStatus)\n\(output)")
    }
    return output
  }

  /// Exactly these variables.
  static func environment(_ variables: [String: String]) -> Environment {
    .custom(
      Dictionary(
        uniqueKeysWithValues: variables.map { (Environment.Key(stringLiteral: $0), $1) }))
  }
}
