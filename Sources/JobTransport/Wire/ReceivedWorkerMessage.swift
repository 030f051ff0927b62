package import AMQP
import Foundation
package import Jobs
import SwiftProtobuf

// SwiftProtobuf has one too.
package import struct AMQP.Message

/// What a worker has sent, taken apart where the worker may be newer than the server: what is understood is applied, what
/// is not yet is kept for a server that does.
package struct ReceivedWorkerMessage: Sendable {
  /// A report that says nothing, from a worker that should know better.
  package struct Malformed: Sendable {
    /// A message of its own with this report.
    package let message: Message
    package let why: String
  }

  /// `nil` when nothing of it is.
  package let understood: WorkerMessage?
  /// A message with what a newer server may understand.
  package let unknown: Message?
  package let malformed: [Malformed]
  /// The attempts that reports of unknown kinds are about.
  package private(set) var unknownAttempts: [RunningAttempt] = []

  /// Whether it is the server's own.
  package var isMark: Bool {
    if case .mark? = understood { true } else { false }
  }

  init(understood: WorkerMessage) {
    self.understood = understood
    unknown = nil
    malformed = []
  }

  /// - Parameters:
  ///   - form: what the message says.
  ///   - isNewer: whether it says that it was written in a later version.
  ///   - error: why it cannot be read in one piece.
  init(
    piecewise message: Message, _ form: WireFromWorker, isNewer: Bool, _ error: any Error
  ) throws {
    guard case .reports(let reports)? = form.kind else {
      guard isNewer || form.kind == nil && !form.unknownFields.data.isEmpty else { throw error }
      understood = nil
      unknown = message
      malformed = []
      return
    }
    var understood: [JobReport] = []
    var unknown: [WireReport] = []
    var malformed: [Malformed] = []
    for report in reports.reports {
      do {
        understood.append(try JobReport(report))
      } catch {
        if isNewer || report.isOfUnknownKind {
          unknown.append(report)
        } else {
          malformed.append(
            Malformed(message: try Self.message([report], like: message), why: "\(error)"))
        }
      }
    }
    self.understood = understood.isEmpty ? nil : .reports(understood)
    self.unknown = unknown.isEmpty ? nil : try Self.message(unknown, like: message)
    self.malformed = malformed
    unknownAttempts = unknown.filter(\.isOutcome).map {
      RunningAttempt(job: JobID($0.job.uuid), attempt: Int($0.attempt))
    }
  }

  /// What is not known of the reports stays in them.
  private static func message(
    _ reports: [WireReport], like original: Message
  ) throws -> Message {
    let form = WireFromWorker.with { $0.reports.reports = reports }
    return Message(body: try form.serializedBytes() as [UInt8], properties: original.properties)
  }
}

extension WireReport {
  /// Whether it ends its attempt, in whatever way: an outcome is always an `ended`, of newer workers as well.
  fileprivate var isOutcome: Bool {
    if case .ended? = content { hasJob } else { false }
  }

  /// It says whose attempt it is about, and something of a kind that is not known here.
  fileprivate var isOfUnknownKind: Bool {
    guard hasJob, attempt > 0, !worker.isEmpty else { return false }
    switch content {
    case nil: return !unknownFields.data.isEmpty
    case .ended(let outcome): return outcome.kind == nil && !outcome.unknownFields.data.isEmpty
    case .progress, .snapshot, .policy, .log: return false
    }
  }
}
