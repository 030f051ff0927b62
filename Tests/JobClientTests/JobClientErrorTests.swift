import FakeAPI
import Foundation
import JobClient
import Jobs
import TestSupport
import Testing

@Suite("What goes wrong between client and server", .timeLimit(.minutes(1)))
struct JobClientErrorTests {
  /// The error of asking for a job.
  private func error(
    limits: JobClientLimits = JobClientLimits(), _ respond: @escaping FakeAPI.Respond
  ) async throws -> JobClientError? {
    let found = Found()
    try await FakeAPI(respond).serve { api in
      let client = try JobClient(server: api.url, limits: limits)
      await found.set(
        await #expect(throws: JobClientError.self) { try await client.get(JobID()) })
    }
    return await found.error
  }

  private actor Found {
    var error: JobClientError?
    func set(_ error: JobClientError?) { self.error = error }
  }

  @Test("a problem is told with all its members")
  func problem() async throws {
    let problem = Problem(
      type: "/problems/unknown-type", title: "Unknown job type", status: 422,
      detail: "no such type",
      knownTypes: [try JobTypeID("a:b")], jobID: JobID())
    let error = try await error { _ in try .problem(problem) }
    #expect(error == .problem(problem))
    #expect(error?.description == "Unknown job type: no such type")
  }

  @Test("all that is wrong with params is told, a line each")
  func errors() async throws {
    let errors = ["a", "b"].map {
      ParamsViolation(pointer: "/\($0)", keyword: "type", detail: "the parameter /\($0) is wrong")
    }
    @Sendable func problem(_ errors: [ParamsViolation]) -> Problem {
      Problem(
        type: "/problems/invalid-params", title: "The params do not fit", status: 422,
        detail: "they do not", errors: errors)
    }
    let several = try await error { _ in try .problem(problem(errors)) }
    #expect(several == .problem(problem(errors)))
    #expect(
      several?.description
        == "The params do not fit:\n  the parameter /a is wrong\n  the parameter /b is wrong")
    let one = try await error { _ in try .problem(problem([errors[0]])) }
    #expect(one?.description == "The params do not fit: they do not")
  }

  @Test("what no Warren server answers is told as such")
  func unexpected() async throws {
    let answers: [(FakeAPI.Answer, String)] = [
      (
        .init(500, "oops", contentType: "text/html"),
        "HTTP status 500, and no problem that explains it"
      ),
      (
        .init(400, "{}", contentType: "application/problem+json"),
        "HTTP status 400, and no problem that explains it"
      ),
      (.init(302), "HTTP status 302, and no problem that explains it"),
      (.init(200, "<html>", contentType: "text/html"), "jobs/"),
      (.init(200, "{}"), "the member id is missing"),
      (.init(200, #"{"id": 5}"#), "id: "),
    ]
    for (answer, why) in answers {
      let error = try await error { _ in answer }
      guard case .unexpectedAnswer(_, let found) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(found.contains(why))
    }
  }

  @Test("an answer that is too large is not read")
  func tooLarge() async throws {
    let error = try await error(limits: JobClientLimits(responseBytes: 1000)) { _ in
      .init(200, String(repeating: " ", count: 1001))
    }
    guard case .unexpectedAnswer(_, "the answer has more than 1000 bytes") = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("nobody there is told at once, with the reason")
  func refusedConnection() async throws {
    let ports = Ports()
    try await FakeAPI({ _ in .init(200) }).serve { await ports.set($0.url) }
    let url = await ports.url
    let client = try JobClient(server: url)
    let begin = ContinuousClock.now
    let error = await #expect(throws: JobClientError.self) { try await client.health() }
    #expect(error == .unreachable(server: url, why: "Connection refused"))
    #expect(ContinuousClock.now - begin < .seconds(5))
  }

  private actor Ports {
    var url = ""
    func set(_ url: String) { self.url = url }
  }

  @Test("a server that does not answer is given up after the limit")
  func silence() async throws {
    let released = Signal()
    let error = try await error(limits: JobClientLimits(request: .milliseconds(200))) { _ in
      _ = await released.wait(for: .seconds(5))
      return .init(200)
    }
    released.fire()
    guard case .unreachable(_, let why) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(why == "no answer within 0.2 seconds")
  }

  @Test("a task that is cancelled gives up")
  func cancelled() async throws {
    let asked = Signal()
    try await FakeAPI({ _ in
      asked.fire()
      _ = await Signal().wait(for: .seconds(5))
      return .init(200)
    }).serve { api in
      let client = try JobClient(server: api.url)
      let task = Task { try await client.get(JobID()) }
      #expect(await asked.wait(for: .seconds(10)))
      task.cancel()
      await #expect(throws: JobClientError.cancelled) { try await task.value }
    }
  }
}
