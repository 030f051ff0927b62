import AMQP
import Foundation
import JobConfig
import Jobs
import TestSupport
import Testing

@testable import JobTransport
@testable import JobWorker

/// Whatever comes from outside is taken or refused with a short word of why: no input ends the process, holds it up, or fills
/// its memory or its log.
@Suite("Fuzzing", .serialized)
struct DecoderFuzzTests {
  @Test("JSON")
  func json() throws {
    try Fuzzer(name: "json", tokens: JSONFuzz.tokens, nests: JSONFuzz.nests, make: JSONFuzz.changed)
      .run { input, _ in
        let value: JSONValue
        do throws(JSONError) {
          value = try JSONValue(parsing: input)
        } catch {
          return try checkBounded(error)
        }
        guard value.isNested(atMost: JSONValue.maxDepth) else { throw Finding("nested too deeply") }
        let text = value.text
        guard try JSONValue(parsing: text.utf8) == value else {
          throw Finding("not read as written")
        }
        if let given = try attempt({ () throws(SchemaError) in try ParamsSchema(value) }) {
          _ = try attempt { () throws(ParamsError) in try given.complete(value) }
        }
        // A default instance takes itself.
        let schema = ParamsSchema(defaults: value)
        guard try schema.complete(value) == value else { throw Finding("defaults that do not fit") }
      }
  }

  @Test("schemas, and what is checked against them")
  func schemas() throws {
    try Fuzzer(
      name: "schema", tokens: JSONFuzz.tokens + JSONFuzz.keywords, nests: JSONFuzz.schemaNests,
      make: JSONFuzz.changed
    ).run { input, _ in
      guard let given = try? JSONValue(parsing: input), let schema = given.members?["schema"],
        let read = try attempt({ () throws(SchemaError) in try ParamsSchema(schema) })
      else { return }
      guard try JSONValue(encoding: read) == schema else { throw Finding("not written as read") }
      for value in [given.members?["value"] ?? .null, schema, read.defaults] {
        guard
          let completed = try attempt({ () throws(ParamsError) in try read.complete(value) })
        else { continue }
        guard completed.isNested(atMost: JSONValue.maxDepth) else {
          throw Finding("nested too deeply")
        }
        try read.check(completed)
      }
    }
  }

  @Test("messages between server and workers")
  func wire() throws {
    try Fuzzer(
      name: "wire", tokens: JSONFuzz.tokens + JSONFuzz.names, nests: JSONFuzz.nests,
      make: JSONFuzz.changed
    ).run { input, _ in
      func message(_ kind: String) -> Message {
        Message(body: input, properties: MessageProperties(type: kind))
      }
      _ = try attempt { () throws(WireError) in try WireCoding.claims(message(MessageKind.claims)) }
      _ = try attempt { () throws(WireError) in try WireCoding.answers(message(MessageKind.claims))
      }
      _ = try attempt { () throws(WireError) in try WireCoding.locks(message(MessageKind.locks)) }
      _ = try attempt { () throws(WireError) in
        try WireCoding.lockAnswers(message(MessageKind.locks))
      }
      _ = try attempt { () throws(WireError) in try WireCoding.received(message(MessageKind.worker))
      }
      _ = try attempt { () throws(WireError) in try WireCoding.command(message(MessageKind.command))
      }
      _ = try attempt { () throws(WireError) in try WireCoding.reply(message(MessageKind.command)) }
    }
  }

  @Test("job messages and cancellations of producers in any language")
  func jobMessages() throws {
    try Fuzzer(
      name: "job-message", tokens: JSONFuzz.tokens + JSONFuzz.events, nests: JSONFuzz.nests,
      make: JSONFuzz.changed
    ).run { input, generator in
      let message = MessageFuzz.message(body: input, &generator)
      do throws(JobMessageError) {
        let submission = try JobMessage.submission(message)
        // What was read is what a Swift producer writes.
        var again = try JobMessage.submission(JobMessage.message(submission))
        again.scheduledAt = submission.scheduledAt
        guard again.params == submission.params, again.type == submission.type,
          again.priority == submission.priority
        else {
          throw JobMessageError(.badBody, "not read as written")
        }
      } catch {
        if error.description == "not read as written" { throw error }
        try checkBounded(error)
      }
      do throws(JobMessageError) {
        if CancelMessage.isOne(message) { _ = try CancelMessage.cancellation(message) }
      } catch {
        try checkBounded(error)
      }
      let dead = DeadLetter.message(
        message, reason: "fuzz", explanation: "because", foundIn: "jobs.submit")
      guard dead.properties.headers.encodedSize < 128 << 10 else {
        throw Finding("a dead letter that does not fit into a frame")
      }
    }
  }

  @Test("what producers ask over the broker, and what they are answered")
  func requests() throws {
    try Fuzzer(
      name: "request", tokens: JSONFuzz.tokens + JSONFuzz.requests, nests: JSONFuzz.nests,
      make: JSONFuzz.changed
    ).run { input, generator in
      var message = MessageFuzz.message(body: input, &generator)
      if let read = try attempt({ () throws(LookupError) in try JobRequest.read(message) }) {
        // What was read is what a Swift producer asks.
        let again = try JobRequest.read(read.request.message(tenant: read.tenant))
        guard again == read else { throw Finding("not read as written") }
      }
      message.properties.type = generator.pick([MessageKind.job, MessageKind.request, nil])
      _ = try attempt { () throws(LookupError) in try JobNews.read(message) }
    }
  }

  @Test("lines of WARREN_REPORT")
  func reports() throws {
    try Fuzzer(
      name: "report", tokens: JSONFuzz.tokens + ["\n", "\n\n", "\r\n"] + JSONFuzz.reports,
      nests: JSONFuzz.nests
    ).run { input, generator in
      let limit = generator.pick([1, 64, 4_096, 1 << 20])
      var splitter = LineSplitter(limit: limit)
      var lines: [LineSplitter.Line] = []
      var rest = input[...]
      while !rest.isEmpty {
        let part = rest.prefix(1 + generator.below(generator.pick([1, 10, 10_000])))
        lines += splitter.append(part)
        rest = rest.dropFirst(part.count)
      }
      if let last = splitter.finish() { lines.append(last) }
      let whole = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      guard zip(lines, whole).allSatisfy({ $0.length == $1.count && $1.starts(with: $0.bytes) })
      else { throw Finding("lines that are not the input's") }
      for line in lines {
        guard line.bytes.count <= limit else { throw Finding("a line beyond its limit") }
        do throws(CommandReportError) {
          _ = try CommandReport.reports(in: line.bytes)
        } catch {
          try checkBounded(error)
        }
      }
    }
  }

  @Test("the configuration file")
  func yaml() throws {
    try Fuzzer(
      name: "yaml", tokens: YAMLFuzz.tokens,
      nests: [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")],
      limit: 256 << 10
    ).run { input, generator in
      var environment: [String: String] = [:]
      if generator.chance(4) {
        let value = String(decoding: input.prefix(generator.below(100)), as: UTF8.self)
        environment[generator.pick(YAMLFuzz.variables)] = value
      }
      do throws(ConfigurationError) {
        _ = try WarrenConfiguration.parse(
          String(decoding: input, as: UTF8.self), file: "w.yaml", environment: environment)
      } catch {
        guard !error.problems.isEmpty else { throw Finding("refused without a word") }
        for problem in error.problems {
          guard problem.description.utf8.count <= mostOfADescription else {
            throw Finding("a problem of \(problem.description.utf8.count) bytes")
          }
        }
      }
    }
  }

  @Test("broker URLs")
  func urls() throws {
    try Fuzzer(
      name: "url",
      tokens: [
        "amqp://", "amqps://", "@", ":", "/", "?", "&", "=", "%", "%00", "%2F", "[", "]", "::1",
        "heartbeat=", "65536", "-1", "99999999999999999999", "verify=", "cacertfile=", "#",
      ], limit: 300
    ).run { input, _ in
      do throws(AMQPError) {
        _ = try ConnectionConfiguration(url: String(decoding: input, as: UTF8.self)).endpoint
      } catch {
        try checkBounded(error)
      }
    }
  }
}
