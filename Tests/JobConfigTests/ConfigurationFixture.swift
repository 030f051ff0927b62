import Foundation
import JobConfig

/// The example of the documentation, with every section.
let fullExample = """
  broker: amqp://guest:guest@127.0.0.1:5672/
  prefix: work
  store: ./warren.sqlite
  log_level: debug
  http: {host: 127.0.0.1, port: 8081, max_body_bytes: 2048}
  server: {poison_limit: 3}
  worker: {drain_timeout: 1m}
  queues:
    compute: {capacity: 4}
    reports-daily: {capacity: 2}
    idle:
  groups:
    files: {queue: compute, description: Work on files}
    letters: {queue: reports-daily}
  types:
    - name: checksum
      group: files
      description: SHA-256 of a file
      params: {path: "", depth: 3, ratio: 0.5, deep: {on: false}, tags: [a], any: null, word: no}
      command: [sha256sum, "{path}", 5]
      timeout: 60s
      stalled: 30s
      max_retries: 2
      retry_delay: 1s
      backoff: exponential
      max_retry_delay: 1h
      jitter: 0.2
      priority: 6
      suspendable: true
      grace: 2s
      working_directory: /srv
      environment: {MODE: fast, LEVEL: 3}
      max_output_bytes: 1024
    - {name: count, group: files, command: [wc, "-l"]}
  """

func parsed(
  _ text: String, _ environment: [String: String] = [:],
  checks: ConfigurationChecks = ConfigurationChecks()
) throws -> WarrenConfiguration {
  try WarrenConfiguration.parse(text, file: "w.yaml", environment: environment, checks: checks)
}

/// What is said of a configuration that is wrong; empty when it is not.
func problems(
  _ text: String, _ environment: [String: String] = [:],
  checks: ConfigurationChecks = ConfigurationChecks()
) -> [String] {
  do {
    _ = try parsed(text, environment, checks: checks)
    return []
  } catch let error as ConfigurationError {
    return error.problems.map(\.description)
  } catch {
    return ["\(error)"]
  }
}
