import AMQP
import Jobs
import Logging
import Testing

@testable import Warren

@Suite("A job service")
struct JobServiceTests {
  struct Good: JobParams {
    static let job = JobDefinition("a:good")
    var path: String
  }

  struct Same: JobParams {
    static let job = JobDefinition("a:good", queue: .download)
    var path: String
  }

  struct Misdescribed: JobParams {
    static let job = JobDefinition("a:bad")
    static let descriptions = ["nothing": "is there"]
    var path: String
  }

  @Test("types that are none, or do not go together, are all named when it starts")
  func problems() async throws {
    let jobs = try JobService(broker: "amqp://127.0.0.1:1/", logger: Logger(label: "test"))
    jobs.on(Good.self) { _, _ in }
    jobs.on(Same.self) { _, _ in }
    jobs.on(Misdescribed.self) { _, _ in }
    let error = await #expect(throws: JobServiceError.self) { try await jobs.run() }
    let problems = try #require(error).problems
    #expect(problems.count == 2)
    #expect(problems.contains { $0.contains("a:good is registered twice") }, "\(problems)")
    #expect(problems.contains { $0.contains("nothing, which is no member") }, "\(problems)")
  }

  @Test("it runs once")
  func twice() async throws {
    let jobs = try JobService(broker: "amqp://127.0.0.1:1/", logger: Logger(label: "test"))
    jobs.on(Misdescribed.self) { _, _ in }
    await #expect(throws: JobServiceError.self) { try await jobs.run() }
    let error = await #expect(throws: JobServiceError.self) { try await jobs.run() }
    #expect(error?.description.contains("it runs already, or has run") == true)
  }

  @Test("who gives up scheduling while the broker is away is told at once that nothing was sent")
  func givenUp() async throws {
    let jobs = try JobService(broker: "amqp://127.0.0.1:1/", logger: Logger(label: "test")) {
      $0.patience = .seconds(100_000)
    }
    let scheduling = Task { try await jobs.schedule(Good(path: "a")) }
    scheduling.cancel()
    let error = await #expect(throws: JobsNotTaken.self) { try await scheduling.value }
    #expect(error?.verdicts == [.notSent("the task was cancelled before it was sent")])
  }

  @Test("a context that no server takes is refused when the job is scheduled")
  func context() async throws {
    let jobs = try JobService(broker: "amqp://127.0.0.1:1/", logger: Logger(label: "test"))
    await #expect(throws: CarriedContextError.self) {
      try await jobs.schedule(
        Good(path: "a"), options: JobOptions(context: ["Request-ID": "1"]))
    }
  }

  @Test("a URL or a prefix that is none is refused at once")
  func wrong() throws {
    #expect(throws: (any Error).self) { try JobService(broker: "http://127.0.0.1/") }
    #expect(throws: NameError.self) { try JobService(broker: "amqp://127.0.0.1/", prefix: "a b") }
  }

  @Test("it is not ready before it runs")
  func readiness() async throws {
    let jobs = try JobService(broker: "amqp://127.0.0.1:1/", logger: Logger(label: "test"))
    #expect(await jobs.isReady == false)
  }
}
