import Foundation
import HTTPTypes
import Jobs
import NIOCore
import TestSupport

/// Makes requests out of parts that are right, parts that are nearly right, and noise; the same ones for the same seed.
struct RequestFuzz {
  struct Request: Sendable, CustomStringConvertible {
    let method: HTTPRequest.Method
    let uri: String
    let headers: HTTPFields
    let body: ByteBuffer?

    var description: String {
      "\(method) \(uri) \(headers) \(body.map { String(buffer: $0) } ?? "")"
    }
  }

  private static let methods: [HTTPRequest.Method] = [
    .get, .get, .post, .post, .delete, .put, .head, .options, .patch,
  ]
  private static let segments = [
    "jobs", "job_types", "job_groups", "queues", "workers", "counters", "prune", "healthz",
    "readyz",
    "cancel", "wait", "history", "retry", "batch", "bulk", "operations",
    "files:checksum", "files%3Acount", "files", "%", "%zz", "%00", "%F0%9F%92%A9", "..", ".", "",
    "ä", "🐈‍⬛", "*", ":id", "**",
  ]
  private static let parameters = [
    "page", "page_size", "order", "status", "type", "queue", "idempotency_key", "timeout", "after",
    "dry_run",
    "", "x",
  ]
  private static let values = [
    "0", "1", "-1", "true", "1000", "99999999999999999999", "0.01", "nan", "waiting",
    "waiting,failed",
    ",", "", "-scheduled_at", "created_at", "files:count", "compute", "%", "%2", "%zz", "%00", "=",
    "==", "#",
    "?",
    "🐈‍⬛", "%ff%fe",
  ]
  private static let bodies = [
    #"{"type":"files:count"}"#, #"{"type":"files:checksum","params":{"path":"x"}}"#, "{}", "[]",
    "null", "", #"{"type":null}"#, #"{"type":"a:b","max_retries":1e400}"#,
    #"{"type":"files:count","scheduled_at":9223372036854775808}"#,
    #"{"type":"files:count","priority":9}"#, #"{"type":"files:count","priority":-1}"#,
    #"[{"type":"files:count"},{"type":"files:checksum","priority":10},null]"#,
    #"{"action":"delete","filter":{"status":["failed","waiting"]},"rate":1e-300}"#,
    #"{"action":"retry","filter":{},"dry_run":true}"#, #"{"action":"cancel","filter":{}}"#,
    #"{"type":"files:count","\ud800":1}"#, #"{"type":"files:count","params":{"a":"#,
    String(repeating: "[", count: 513), String(repeating: #"{"type":"#, count: 400),
  ]

  private var generator: SeededGenerator
  private let job: JobID

  init(seed: UInt64, job: JobID) {
    generator = SeededGenerator(seed: seed)
    self.job = job
  }

  mutating func next() -> Request {
    let body: ByteBuffer? =
      chance(2) ? ByteBuffer(bytes: noisy(Array(pick(Self.bodies).utf8))) : nil
    var headers = HTTPFields()
    if chance(2) { headers[.contentType] = "application/json" }
    if chance(6) { headers[.contentType] = pick(["text/plain", ";", "/", "a/b;c=\"", "é"]) }
    return Request(method: pick(Self.methods), uri: uri(), headers: headers, body: body)
  }

  private mutating func uri() -> String {
    var uri = ""
    for index in 0..<Int.random(in: 0...4, using: &generator) {
      uri += "/"
      uri += index == 1 && chance(2) ? job.description : pick(Self.segments)
    }
    if chance(3) { uri = "/jobs" }
    if chance(8) { uri = "/jobs/\(job)/wait" }
    if chance(8) { uri = pick(["/jobs/batch", "/jobs/bulk", "/operations"]) }
    if chance(2) {
      uri += "?"
      for _ in 0..<Int.random(in: 0...3, using: &generator) {
        uri += pick(Self.parameters) + pick(["=", "", "=="]) + pick(Self.values) + pick(["&", ""])
      }
    }
    return uri
  }

  /// Now and then some bytes are others.
  private mutating func noisy(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    guard chance(2) else { return bytes }
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(
        in: .min ... .max, using: &generator)
    }
    if chance(10) { bytes += Array(repeating: 0x5B, count: 5000) }
    return bytes
  }

  /// True once in so many times.
  private mutating func chance(_ times: Int) -> Bool {
    Int.random(in: 0..<times, using: &generator) == 0
  }

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: elements.indices, using: &generator)]
  }
}
