package import AMQP
package import Foundation
package import Jobs

/// What a producer asks the server over the broker, so that it needs no address of the server.
package enum JobRequest: Sendable, Hashable {
  /// These jobs, as they are now.
  case get([JobID])
  /// The job that an idempotency key has made.
  case getKey(IdempotencyKey)
  /// These jobs as they are now; and each is sent once it has ended, to the address that asks.
  case tellEnd([JobID])
  /// This job as it is now, and after every change of its status or progress, until it is final or the time is over. Asked
  /// again, the time begins anew; with none the watch ends.
  case watch(JobID, for: Duration)

  /// The most jobs of one request.
  package static let mostJobs = 1_000
  /// How long a job is watched, in seconds.
  package static let watchSeconds: ClosedRange<Int64> = 0...300
  static let usualWatch = Duration.seconds(60)
  /// The largest request, in bytes.
  package static let mostBytes = 128 << 10

  /// What the server answers, and sends to whoever watches a job.
  package struct Answer: Sendable, Hashable {
    /// The most bytes of one answer, unless it has one job.
    package static let mostBytes = 4 << 20

    /// The first of the jobs, in the order in which they were asked for; `nil` for one that is not there.
    package var jobs: [Job?]
    /// The others, which would have made the answer too large: they are to be asked for again.
    package var more: [JobID]?
    /// Those that are not there.
    package var unknown: [JobID]?
  }
}

/// What comes to an address that wants to be told of ends, or watches jobs.
package enum JobNews: Sendable, Hashable {
  /// A job as it is, or was when it ended.
  case job(Job)
  /// One that is not there.
  case unknown(JobID)
  /// One for which the answer had no room.
  case left(JobID)

  /// Reads an answer of the server, or the message of a job's end.
  ///
  /// - Throws: ``LookupError`` with the server's own words when it refuses, or when the message is neither.
  package static func read(_ message: Message) throws(LookupError) -> [JobNews] {
    guard message.properties.type != MessageKind.job else {
      do {
        return [.job(try WireCoding.json(Job.self, Data(message.body)))]
      } catch {
        throw LookupError("the message of a job's end cannot be read: \(error)")
      }
    }
    let answer = try JobRequest.Answer(message)
    return answer.jobs.compactMap { $0.map(JobNews.job) }
      + (answer.unknown ?? []).map(JobNews.unknown) + (answer.more ?? []).map(JobNews.left)
  }
}

/// A request that is none, or that is refused, and why.
package struct LookupError: Error, Hashable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) {
    self.description = description.shortened(to: 800)
  }
}

// MARK: Requests

extension JobRequest {
  private enum Member: String, CaseIterable {
    case get
    case getKey = "get_key"
    case tellEnd = "tell_end"
    case watch

    static let seconds = "seconds"
    static var all: String { allCases.map(\.rawValue).joined(separator: ", ") }
  }

  /// Reads a request, and whose jobs are meant.
  ///
  /// - Throws: ``LookupError`` that names what is wrong.
  package static func read(
    _ message: Message
  ) throws(LookupError) -> (request: JobRequest, tenant: UUID) {
    guard message.body.count <= mostBytes else {
      throw LookupError("the body has \(message.body.count) bytes; \(mostBytes) are allowed")
    }
    let body: JSONValue
    do {
      body = try JSONValue(parsing: message.body)
    } catch {
      throw LookupError("the body must be a JSON object: \(error)")
    }
    guard let members = body.members else {
      throw LookupError("the body must be a JSON object, not \(body.kind.rawValue)")
    }
    let strangers = members.keys.filter { Member(rawValue: $0) == nil && $0 != Member.seconds }
    if let unknown = strangers.min() {
      throw LookupError(
        "there is no member '\(unknown.prefix(100))'; a request has one of \(Member.all)")
    }
    let asked = Member.allCases.filter { members[$0.rawValue] != nil }
    guard let member = asked.first, asked.count == 1, let value = members[member.rawValue] else {
      throw LookupError("a request has exactly one of \(Member.all)")
    }
    if members[Member.seconds] != nil, member != .watch {
      throw LookupError("the member \(Member.seconds) goes with \(Member.watch.rawValue)")
    }
    let request = try request(member, value, seconds: members[Member.seconds])
    do {
      return (request, try JobMessageHeaders(message).uuid(JobMessage.tenantID) ?? .zero)
    } catch {
      throw LookupError(error.description)
    }
  }

  private static func request(
    _ member: Member, _ value: JSONValue, seconds: JSONValue?
  ) throws(LookupError) -> JobRequest {
    switch member {
    case .get: return .get(try ids(member, value))
    case .tellEnd: return .tellEnd(try ids(member, value))
    case .watch: return .watch(try id(member, value), for: try duration(seconds))
    case .getKey:
      guard case .string(let text) = value else {
        throw LookupError("the member \(member.rawValue) must be an idempotency key, a text")
      }
      do {
        return .getKey(try IdempotencyKey(text))
      } catch {
        throw LookupError(error.description)
      }
    }
  }

  private static func ids(_ member: Member, _ value: JSONValue) throws(LookupError) -> [JobID] {
    guard case .array(let elements) = value, (1...mostJobs).contains(elements.count) else {
      throw LookupError(
        "the member \(member.rawValue) must be an array of 1 to \(mostJobs) job ids")
    }
    var ids: [JobID] = []
    for element in elements { ids.append(try id(member, element)) }
    return ids
  }

  private static func id(_ member: Member, _ value: JSONValue) throws(LookupError) -> JobID {
    guard case .string(let text) = value, let id = JobID(text) else {
      throw LookupError(
        "in the member \(member.rawValue) there is something that is no job id, a UUID")
    }
    return id
  }

  private static func duration(_ value: JSONValue?) throws(LookupError) -> Duration {
    switch value {
    case nil, .null: return usualWatch
    case .integer(let seconds) where watchSeconds.contains(seconds): return .seconds(seconds)
    default:
      throw LookupError(
        "the member \(Member.seconds) must be an integer from \(watchSeconds.lowerBound) to"
          + " \(watchSeconds.upperBound)")
    }
  }

  /// The request as a message, to which whoever sends it adds where the answer goes.
  ///
  /// - Parameters:
  ///   - tenant: whose jobs are meant; those of others are not there.
  ///   - patience: how long the server may take to read it; after that it is gone.
  /// - Throws: ``LookupError`` for a request that no server answers.
  package func message(
    tenant: UUID = .zero, patience: Duration? = nil
  ) throws(LookupError) -> Message {
    let body: JSONValue
    switch self {
    case .get(let ids): body = [Member.get.rawValue: try Self.array(ids)]
    case .tellEnd(let ids): body = [Member.tellEnd.rawValue: try Self.array(ids)]
    case .getKey(let key): body = [Member.getKey.rawValue: .string(key.description)]
    case .watch(let id, let duration):
      let seconds = duration.components.seconds
      guard Self.watchSeconds.contains(seconds) else {
        throw LookupError("a job is watched for \(Self.watchSeconds.upperBound) seconds at most")
      }
      body = [Member.watch.rawValue: .string(id.description), Member.seconds: .integer(seconds)]
    }
    var properties = MessageProperties()
    properties.type = MessageKind.request
    properties.contentType = "application/json"
    properties.deliveryMode = .transient
    properties.expiration = patience.map { String(max(1, $0.milliseconds)) }
    if tenant != .zero {
      properties.headers = [JobMessage.tenantID: .string(tenant.uuidString.lowercased())]
    }
    return Message(body: Array(body.text.utf8), properties: properties)
  }

  private static func array(_ ids: [JobID]) throws(LookupError) -> JSONValue {
    guard (1...mostJobs).contains(ids.count) else {
      throw LookupError("\(ids.count) jobs are asked for; 1 to \(mostJobs) can be")
    }
    return .array(ids.map { .string($0.description) })
  }
}

/// Answers as messages.
package enum LookupMessage {
  /// Writes an answer, as the HTTP API shows jobs.
  ///
  /// - Parameters:
  ///   - asked: the ids in question, in their order.
  ///   - batch: how many bytes of jobs all answers have that are made together.
  ///   - room: how many bytes of jobs there is room for still; what is used is taken off. One that does not fit goes into `more`, with
  ///     all that follow it.
  ///   - found: a job; `nil` where it is not there. Throws where it is not known.
  package static func answer<Asked>(
    _ asked: [Asked], room: inout Int, of batch: Int = Int.max, correlationID: String?,
    _ found: (Asked) -> Found
  ) -> Message where Asked: CustomStringConvertible {
    var shown: [[UInt8]?] = []
    var unknown: [Asked] = []
    // The first of all has room, however large it is: it would be asked for again and again.
    let isFirst = room == batch
    var own = min(room, JobRequest.Answer.mostBytes)
    for item in asked {
      guard case .known(let job) = found(item) else { break }
      let bytes = job?.json
      let size = bytes?.count ?? 4
      guard size <= own || (isFirst && shown.isEmpty) else { break }
      own -= size
      room -= size
      shown.append(bytes)
      if job == nil { unknown.append(item) }
    }
    var writer = JSONWriter()
    writer.object { writer in
      writer.name("jobs")
      writer.array(shown) { writer, bytes in
        if let bytes { writer.raw(bytes) } else { writer.null() }
      }
      let more = asked.dropFirst(shown.count)
      if !more.isEmpty {
        writer.name("more")
        writer.array(more) { $0.string($1.description) }
      }
      if !unknown.isEmpty {
        writer.name("unknown")
        writer.array(unknown) { $0.string($1.description) }
      }
    }
    return message(writer.bytes, correlationID)
  }

  /// Whether a job could be looked up.
  package enum Found: Sendable {
    /// As it is; `nil` where it is not there.
    case known(Job?)
    /// There was no room for it.
    case left
  }

  /// Writes a refusal.
  package static func refusal(_ error: LookupError, correlationID: String?) -> Message {
    var writer = JSONWriter()
    writer.object { writer in
      writer.name("error")
      writer.string(error.description)
    }
    return message(writer.bytes, correlationID)
  }

  private static func message(_ body: [UInt8], _ correlationID: String?) -> Message {
    var properties = MessageProperties()
    properties.type = MessageKind.answer
    properties.contentType = "application/json"
    properties.deliveryMode = .transient
    properties.correlationID = correlationID
    return Message(body: body, properties: properties)
  }
}

extension JobRequest.Answer {
  private struct Form: Decodable {
    let jobs: [Job?]?
    let more: [JobID]?
    let unknown: [JobID]?
    let error: String?
  }

  /// Reads an answer.
  ///
  /// - Throws: ``LookupError`` with the server's own words when it refuses, or when the message is no answer.
  package init(_ message: Message) throws(LookupError) {
    let form: Form
    do {
      form = try WireCoding.json(Form.self, Data(message.body))
    } catch {
      throw LookupError("the message is no answer of a server: \(error)")
    }
    if let error = form.error { throw LookupError(error) }
    guard let jobs = form.jobs else { throw LookupError("the message is no answer of a server") }
    self.jobs = jobs
    more = form.more
    unknown = form.unknown
  }
}
