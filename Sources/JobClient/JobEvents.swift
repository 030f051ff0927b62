import AsyncHTTPClient
import Foundation
public import Jobs
import NIOCore

/// What a stream of events tells.
public enum JobStreamEvent: Sendable, Hashable {
  /// A job was created, or its status has changed. Its number is where to go on after it.
  case transition(JobEvent)
  /// How far a job is; only in the stream of one job.
  case progress(JobProgressEvent)
  /// Transitions that were not read in time are gone.
  case missed(MissedEvents)
  /// The job has ended or was deleted, and the stream with it; only in the stream of one job.
  case end(JobEventsEnd)
}

/// Which transitions a stream has. What is empty excludes nothing.
public struct JobEventFilter: Sendable, Hashable {
  /// Into one of these.
  public var statuses: [JobStatus]
  /// Of jobs of these types.
  public var types: [JobTypeID]
  /// Of jobs of these queues.
  public var queues: [JobQueueName]

  /// A filter.
  public init(
    statuses: [JobStatus] = [], types: [JobTypeID] = [], queues: [JobQueueName] = []
  ) {
    self.statuses = statuses
    self.types = types
    self.queues = queues
  }

  var query: [(name: String, value: String)] {
    [
      ("status", statuses.map(\.rawValue)), ("type", types.map(\.description)),
      ("queue", queues.map(\.rawValue)),
    ].compactMap { name, values in
      values.isEmpty ? nil : (name, values.joined(separator: ","))
    }
  }
}

extension JobClient {
  /// What becomes of the tenant's jobs, as it happens, for as long as the sequence is read.
  ///
  /// When the connection breaks, the sequence connects again and goes on after the last event that it had got: no transition is
  /// left out, and none comes twice. Whoever reads slowly gets everything later; nothing is gathered for him.
  ///
  /// - Parameters:
  ///   - filter: which transitions.
  ///   - sequence: the number of the last transition that was got before; `nil` begins with what happens from now on, 0 with all
  ///     that the server still has.
  ///   - patience: how long the server may be away, once it was there; then the sequence throws.
  public func events(
    _ filter: JobEventFilter = JobEventFilter(), after sequence: Int64? = nil,
    patience: Duration = .seconds(300)
  ) -> JobEvents {
    JobEvents(
      connection: connection, path: ["events"], query: filter.query, start: sequence,
      patience: patience)
  }

  /// What has become of one job and becomes of it, and its progress, until it has ended.
  ///
  /// - Parameters:
  ///   - id: which job.
  ///   - sequence: the number of the last transition that was got before; `nil` begins with the job.
  ///   - patience: how long the server may be away, once it was there; then the sequence throws.
  public func events(
    of id: JobID, after sequence: Int64? = nil, patience: Duration = .seconds(300)
  ) -> JobEvents {
    JobEvents(
      connection: connection, path: ["jobs", id.description, "events"], query: [],
      start: sequence, patience: patience)
  }

  /// What has become of a job so far.
  ///
  /// - Parameters:
  ///   - id: which job.
  ///   - sequence: only transitions after it, as the `next` of an earlier answer.
  public func history(
    of id: JobID, after sequence: Int64 = 0
  ) async throws(JobClientError) -> JobHistory {
    var request = APIRequest(path: ["jobs", id.description, "history"])
    if sequence > 0 { request.query = [("after", String(sequence))] }
    return try await connection.send(request).value
  }
}

/// A stream of events that goes on over lost connections and restarts of the server; from ``JobClient/events(_:after:patience:)``.
///
/// It throws ``JobClientError``: at once where the server refuses for good or, at the first connection, is not there. Where it has no
/// stream left for now it is asked again, at the first connection for a minute.
public struct JobEvents: AsyncSequence, Sendable {
  public typealias Element = JobStreamEvent

  /// The longest pause before the server is asked again.
  static let longestPause = Duration.seconds(10)
  /// How long a server that was not there yet may refuse for now.
  static let firstPatience = Duration.seconds(60)

  let connection: APIConnection
  let path: [String]
  let query: [(name: String, value: String)]
  let start: Int64?
  let patience: Duration

  /// Each iteration is a connection of its own.
  public func makeAsyncIterator() -> Iterator {
    Iterator(self)
  }

  /// Reads a stream.
  public struct Iterator: AsyncIteratorProtocol {
    private let stream: JobEvents
    private let clock = ContinuousClock()
    private var parser: EventStreamParser
    private var body: HTTPClientResponse.Body.AsyncIterator?
    private var waiting: ArraySlice<EventStreamParser.Event> = []
    private var hasConnected = false
    private var hasEnded = false
    private var failures = 0
    /// When the server was last heard of.
    private var lastHeard: ContinuousClock.Instant

    fileprivate init(_ stream: JobEvents) {
      self.stream = stream
      parser = EventStreamParser(lastID: stream.start.map { String($0) })
      lastHeard = clock.now
    }

    /// The next event; `nil` when the stream has ended, as that of a job does.
    public mutating func next() async throws -> JobStreamEvent? {
      while true {
        while let event = waiting.popFirst() {
          if let event = try read(event) { return event }
        }
        if hasEnded { return nil }
        try await readMore()
      }
    }

    private mutating func readMore() async throws(JobClientError) {
      do throws(JobClientError) {
        if body == nil { try await connect() }
        guard var body, !hasEnded else { return }
        let bytes: ByteBuffer?
        do {
          bytes = try await body.next()
          self.body = body
        } catch {
          throw stream.connection.error(for: error, limit: JobClient.longestSilence)
        }
        guard let bytes else { throw stream.connection.unreachable("the stream has ended") }
        lastHeard = clock.now
        failures = 0
        do {
          waiting = try parser.read(bytes.readableBytesView)[...]
        } catch {
          throw stream.connection.unexpected(
            "an event has more than \(EventStreamParser.mostBytes) bytes")
        }
      } catch {
        body = nil
        if Task.isCancelled { throw .cancelled }
        guard hasConnected ? error.mayPass : error.retryAfter != nil else { throw error }
        let patience =
          hasConnected ? stream.patience : Swift.min(stream.patience, JobEvents.firstPatience)
        let asked = error.retryAfter ?? .zero
        guard lastHeard.duration(to: clock.now) + asked < patience else { throw error }
        try await pause(atLeast: asked)
      }
    }

    /// A new connection begins a new stream: half an event of the last one is nothing.
    private mutating func connect() async throws(JobClientError) {
      parser = EventStreamParser(lastID: parser.lastID, retry: parser.retry)
      var headers = [(name: "Accept", value: "text/event-stream")]
      if let last = parser.lastID { headers.append(("Last-Event-ID", last)) }
      let response = try await stream.connection.open(
        APIRequest(path: stream.path, query: stream.query), headers: headers)
      hasConnected = true
      lastHeard = clock.now
      if let response { body = response.body.makeAsyncIterator() } else { hasEnded = true }
    }

    private mutating func pause(atLeast asked: Duration) async throws(JobClientError) {
      failures += 1
      let first = Duration.milliseconds(Swift.min(Swift.max(10, parser.retry ?? 1000), 60_000))
      let longest = Swift.max(first, JobEvents.longestPause)
      let own = Swift.min(longest, first * (1 << Swift.min(failures - 1, 10)))
      do {
        try await clock.sleep(for: Swift.max(own, asked))
      } catch {
        throw .cancelled
      }
    }

    /// - Returns: `nil` for an event of a kind that only a newer server has.
    private mutating func read(
      _ event: EventStreamParser.Event
    ) throws(JobClientError) -> JobStreamEvent? {
      func decoded<Value: Decodable>(_: Value.Type) throws(JobClientError) -> Value {
        do {
          return try JSONDecoder().decode(Value.self, from: Data(event.data.utf8))
        } catch {
          throw stream.connection.unexpected("an event \(event.name): \(error)")
        }
      }
      switch event.name {
      case "transition": return .transition(try decoded(JobEvent.self))
      case "progress": return .progress(try decoded(JobProgressEvent.self))
      case "missed": return .missed(try decoded(MissedEvents.self))
      case "end":
        hasEnded = true
        return .end(try decoded(JobEventsEnd.self))
      default: return nil
      }
    }
  }
}
