import ArgumentParser
import JobConfig

struct ConfigCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract:
      "Reads the configuration with the environment's overrides, and says all that is wrong.")

  @OptionGroup var config: ConfigOptions

  func run() async throws {
    let configuration = try config.load()
    for warning in configuration.warnings { Console.write("warning: \(warning)\n", to: .error) }
    Console.write("the configuration is fine: \(configuration)\n", to: .output)
  }
}
