// What the documentation shows and no example has: compiled, so that it stays true. A test finds each piece of Swift in the documentation
// in one of the files beside this.

import ContactJobs
import Foundation
import JobClient
import Jobs
import Logging
import ServiceLifecycle
import Warren
import WordJobs

struct Sweep: JobParams {
  static let job = JobDefinition("disk:sweep")
  static let defaults = ParamDefaults { Self() }

  var keepsNewest = 10
}

struct Resize: JobParams {
  static let job = JobDefinition("images:resize")
  var path: String
}

struct Search: JobParams {
  static let job = JobDefinition("text:search")
  struct Options: Codable, Sendable {
    var user: String?
    var password: String?
    var token: String?
  }
  var path: String
  var top: Int
  var options: Options?
  var tags: [String]

  static func refine(_ schema: inout SchemaBuilder) {
    schema["path"].minLength = 1
    schema["top"].minimum = 1
    schema["options"]["token"].writeOnly = true
    schema["tags"].items?.maxLength = 20
    schema["options"][keyword: "dependentRequired"] = ["user": ["password"]]
  }
}

struct RateLimited: Error {
  let seconds: Double
}

func addJobs(to jobs: some JobRegistering, book: some AddressBook) {
  jobs.on(Sweep.self) { params, job in
    job.logger.info("sweeping", metadata: ["keep": "\(params.keepsNewest)"])
  }
  jobs.on(ContactImporter(book: book))
}

func runInAGroup(http: any Service, logger: Logger) async throws {
  let jobs = try JobService(broker: "amqp://127.0.0.1/", middleware: [.logging])
  jobs.on(CountWords.self) { params, job in
    CountWords.Result(total: params.top, mostFrequent: [])
  }
  try await ServiceGroup(services: [jobs, http], logger: logger).run()
}

func scheduleMany(_ paths: some AsyncSequence<String, any Error> & Sendable, jobs: JobService)
  async throws
{
  let count = try await jobs.schedule(each: paths.map { CountWords(path: $0) })
  print(count)
}

func ask(jobs: JobService, order: String) async throws {
  let handle = try await jobs.schedule(
    CountWords(path: "README.md"), key: try IdempotencyKey("order-\(order)"))
  for try await progress in handle.progress { print(progress.percent ?? 0) }
  let words = try await handle.result(within: .seconds(60))
  print(words.total)
}

func abandon(_ handle: JobHandle<CountWords>) async throws {
  if try await handle.status() == .waiting { try await handle.cancel(reason: "not needed") }
}

func decide(_ job: JobContext, answer: Int) async throws {
  switch answer {
  case 404: throw PermanentFailure("there is no such image")
  case 429: throw RetryAfter(.seconds(30), because: "the other side is busy")
  case 425: throw Snooze(.seconds(60), "it is not there yet")
  case 304: throw job.skip("nothing has changed")
  default: break
  }
}

func scheduleChildren(_ paths: [String], _ job: JobContext) async throws {
  try await job.schedule(paths.map { Resize(path: $0) })
}

func tidy(_ job: JobContext) async throws {
  if job.cancelReason == .suspending { try await job.saveSnapshot(42) }
}

struct Audited: JobMiddleware {
  func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload? {
    job.logger.notice("begins", metadata: ["tenant": "\(job.tenant)"])
    return try await next(job)
  }
}

func overHTTP() async throws {
  let client = try JobClient(server: "http://127.0.0.1:8080")
  let job = try await client.schedule(JobTypeID("files:checksum"), params: ["path": "README.md"])
    .job
  let done = try await client.wait(for: job.id, timeout: .seconds(60))
  print(done.status)
}
