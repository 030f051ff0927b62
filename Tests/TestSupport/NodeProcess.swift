import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// One run of a node, from start to end.
final class NodeProcess: Sendable {
  private static let startBound = Duration.seconds(90)
  private static let endBound = Duration.seconds(60)
  /// What RabbitMQ prints when its listeners are up.
  private static let startedMark = "completed with"

  /// The group of the node's processes, for whoever has to kill them.
  private static let script = """
    echo $$ >"$1/group"
    exec /usr/lib/rabbitmq/bin/rabbitmq-server
    """

  private let group: URL
  private let started = Signal()
  private let ended = Signal()
  private let console = Mutex("")

  init(directory: URL, environment: [String: String]) {
    group = directory.appending(path: "group")
    let path = directory.path(percentEncoded: false)
    var options = PlatformOptions()
    options.createSession = true
    Task { [options] in
      do {
        _ = try await run(
          .path("/bin/sh"), arguments: ["-c", Self.script, "node", path],
          environment: Tool.environment(environment), workingDirectory: FilePath(path),
          platformOptions: options, input: .none, output: .sequence, error: .combinedWithOutput
        ) { execution in
          for try await line in execution.standardOutput.strings() { self.note(line) }
        }
      } catch {
        self.note("\(error)")
      }
      self.ended.fire()
      self.started.fire()
    }
  }

  private func note(_ line: String) {
    console.withLock { $0 += line }
    if line.contains(Self.startedMark) { started.fire() }
  }

  /// Waits until the node has booted, listeners and all.
  func waitUntilStarted() async throws {
    guard await started.wait(for: Self.startBound), !ended.hasFired else {
      throw BrokerFailure("RabbitMQ has not started:\n\(console.withLock { $0 })")
    }
  }

  /// Waits until the node's processes are gone.
  func waitUntilEnded() async throws {
    guard await ended.wait(for: Self.endBound) else {
      throw BrokerFailure("RabbitMQ has not ended:\n\(console.withLock { $0 })")
    }
    // The number may come to mean another process.
    try FileManager.default.removeItem(at: group)
  }

  /// Kills the node's processes.
  func kill() {
    guard !ended.hasFired,
      let text = try? String(contentsOf: group, encoding: .utf8),
      let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1
    else { return }
    _ = Foundation.kill(-pid, SIGKILL)
  }
}
