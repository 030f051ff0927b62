import ArgumentParser
import Foundation
import JobConfig

/// Where the configuration is.
struct ConfigOptions: ParsableArguments {
  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp(
      "The configuration file; without one, defaults and WARREN_… variables count.",
      valueName: "file"))
  var config: String?

  func load(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(ConfigurationError) -> WarrenConfiguration {
    try WarrenConfiguration.load(path: config, environment: environment, checks: .complete)
  }
}
