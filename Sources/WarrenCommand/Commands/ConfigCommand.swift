import AMQP
import ArgumentParser
import JobConfig
import JobWorker
import Jobs

struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Works on the configuration file.",
    subcommands: [ConfigCheckCommand.self])
}

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

extension ConfigurationChecks {
  /// What those say who will use the configuration.
  static let complete = ConfigurationChecks(
    broker: faults(ofBroker:), command: faults(of:params:), undeclared: undeclared(in:params:))

  @Sendable private static func faults(ofBroker url: String) -> [String] {
    do throws(AMQPError) {
      _ = try ConnectionConfiguration(url: url)
      return []
    } catch {
      return [error.description]
    }
  }

  @Sendable private static func faults(of command: [String], params: JSONValue) -> [String] {
    do throws(CommandTemplateError) {
      _ = try CommandTemplate(command, params: params)
      return []
    } catch {
      return [error.description]
    }
  }

  @Sendable private static func undeclared(in command: [String], params: JSONValue) -> [String] {
    // A command that cannot be read has been named as such.
    (try? CommandTemplate(command, params: params))?.undeclared ?? []
  }
}
