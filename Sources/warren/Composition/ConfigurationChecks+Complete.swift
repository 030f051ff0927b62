import AMQP
import JobConfig
import JobWorker
import Jobs

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
