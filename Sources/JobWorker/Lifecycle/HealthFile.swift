import AMQP
import Foundation
package import Jobs
import Logging
import SystemPackage

/// A file that a worker touches every few seconds while it is healthy: connected to the broker, and its tasks get to run.
/// For supervisors, which otherwise could ask only whether the process is there.
package struct HealthFile: Sendable, Hashable {
  /// How often it is touched.
  package static let interval = Duration.seconds(5)
  /// A worker whose file is older than that is not healthy.
  package static let patience = Duration.seconds(30)

  /// Where it is.
  package let path: String

  /// - Parameter path: of a file in a directory that exists; what was in it is replaced.
  package init(path: String) {
    self.path = path
  }

  /// Why the worker that has this file does not count as healthy; `nil` when it does.
  package func problem(at now: Timestamp = .now) -> String? {
    let attributes: [FileAttributeKey: Any]
    do {
      attributes = try FileManager.default.attributesOfItem(atPath: path)
    } catch {
      return "there is no health file at \(path): no worker that was given it runs,"
        + " or it has not reached the broker yet"
    }
    guard let touched = attributes[.modificationDate] as? Date else {
      return "\(path) does not say when it was touched"
    }
    let age = Duration.milliseconds(
      now.milliseconds - Int64((touched.timeIntervalSince1970 * 1000).rounded()))
    guard age <= Self.patience else {
      return "\(path) was touched \(Int(age.seconds)) s ago, and a healthy worker does so every"
        + " \(Int(Self.interval.seconds)) s"
    }
    return nil
  }

  /// Says that the worker is healthy. Workers do that by themselves.
  package func touch() throws {
    // Another file in its place, so that nobody ever reads half of one.
    let next = "\(path).\(getpid())"
    let file = try FileDescriptor.open(
      FilePath(next), .writeOnly, options: [.create, .truncate, .closeOnExec],
      permissions: [.ownerReadWrite, .groupRead, .otherRead])
    _ = try file.closeAfter { try file.writeAll("ok\n".utf8) }
    guard rename(next, path) == 0 else { throw Errno(rawValue: errno) }
  }

  func remove() {
    // It goes out of date by itself.
    _ = unlink(path)
  }
}

/// Keeps a worker's health file.
struct HealthReporter: Sendable {
  let file: HealthFile?
  let condition: WorkerCondition
  /// Of each connection; listened to from before it is made.
  let events: [(WorkerCondition.Link, AsyncStream<ConnectionEvent>)]
  let lifecycle: WorkerLifecycle
  let logger: Logger

  /// Runs until the task is cancelled.
  func run() async {
    file?.remove()
    await withTaskGroup { group in
      for (link, events) in events {
        group.addTask {
          for await event in events {
            switch event {
            case .connected:
              condition.set(link, isConnected: true)
              touch()
            case .disconnected: condition.set(link, isConnected: false)
            case .blocked, .unblocked, .declarationRefused, .resubscribing: break
            }
          }
        }
      }
      if file != nil {
        while (try? await Task.sleep(for: HealthFile.interval)) != nil { touch() }
      }
    }
    file?.remove()
  }

  private func touch() {
    guard let file, condition.isConnected else { return }
    do {
      try file.touch()
    } catch {
      logger.warning(
        "the health file cannot be touched",
        metadata: ["path": "\(file.path)", "error": "\(error)"]
      )
    }
  }
}
