public import AMQP
import Foundation
public import Jobs

/// What a worker has sent, taken apart where the worker may be newer than the server: what is understood is applied, what
/// is not yet is kept for a server that does.
public struct ReceivedWorkerMessage: Sendable {
  /// A report that says nothing, from a worker that should know better.
  public struct Malformed: Sendable {
    /// A message of its own with this report.
    public let message: Message
    public let why: String
  }

  /// `nil` when nothing of it is.
  public let understood: WorkerMessage?
  /// A message with what a newer server may understand.
  public let unknown: Message?
  public let malformed: [Malformed]
  /// The attempts that reports of unknown kinds are about.
  public private(set) var unknownAttempts: [RunningAttempt] = []

  init(understood: WorkerMessage) {
    self.understood = understood
    unknown = nil
    malformed = []
  }

  /// - Parameters:
  ///   - isNewer: whether the message says that it was written in a later version.
  ///   - error: why it cannot be read in one piece.
  init(piecewise message: Message, isNewer: Bool, _ error: WireError) throws(WireError) {
    guard let value = try? JSONValue(parsing: message.body), let members = value.members,
      let kind = members.keys.first, members.count == 1
    else { throw error }
    guard kind == Self.reports, case .array(let reports)? = members[kind]?.members?["_0"] else {
      guard isNewer || !WorkerMessage.kinds.contains(kind) else { throw error }
      understood = nil
      unknown = message
      malformed = []
      return
    }
    var understood: [JobReport] = []
    var unknown: [JSONValue] = []
    var malformed: [Malformed] = []
    for report in reports {
      do {
        understood.append(try report.decode(as: JobReport.self))
      } catch {
        if isNewer || Self.isOfUnknownKind(report) {
          unknown.append(report)
        } else {
          malformed.append(
            Malformed(message: Self.message([report], like: message), why: "\(error)"))
        }
      }
    }
    self.understood = understood.isEmpty ? nil : .reports(understood)
    self.unknown = unknown.isEmpty ? nil : Self.message(unknown, like: message)
    self.malformed = malformed
    unknownAttempts = unknown.filter(Self.isOutcome)
      .compactMap { try? $0.decode(as: RunningAttempt.self) }
  }

  private static let reports = "reports"

  /// Whether it ends its attempt, in whatever way: an outcome is always an `ended`, of newer workers as well.
  private static func isOutcome(_ report: JSONValue) -> Bool {
    report.members?["content"]?.members?["ended"] != nil
  }

  /// It says whose attempt it is about, and something of a kind that is not known here.
  private static func isOfUnknownKind(_ report: JSONValue) -> Bool {
    guard let members = report.members, let kinds = members["content"]?.members,
      members["job"] != nil, members["attempt"] != nil, members["worker"] != nil,
      kinds.count == 1, let kind = kinds.keys.first
    else { return false }
    guard JobReport.Content.kinds.contains(kind) else { return true }
    guard let ending = kinds[kind]?.members?["_0"]?.members?.keys.first, kind == "ended" else {
      return false
    }
    return !JobOutcome.kinds.contains(ending)
  }

  private static func message(_ reports: [JSONValue], like original: Message) -> Message {
    let body = JSONValue.object([Self.reports: ["_0": .array(reports)]])
    return Message(body: Array(body.text.utf8), properties: original.properties)
  }
}
