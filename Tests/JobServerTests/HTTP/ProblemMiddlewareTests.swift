import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JobStore
import Jobs
import Logging
import Testing

@testable import JobServer

@Suite("Errors as problems", .timeLimit(.minutes(2)))
struct ProblemMiddlewareTests {
  private struct Secret: Error {
    let password = "hunter2"
  }

  @Test("what nobody foresaw is a 500 that leaks nothing and leads to the log")
  func internalError() async throws {
    let problem = try await problem { throw Secret() }
    #expect(problem.type == "/problems/internal-error")
    #expect(problem.status == 500)
    #expect(!problem.detail.contains("hunter2"))
    #expect(!problem.detail.contains("Secret"))
    #expect(problem.detail.contains("request id"))
  }

  @Test("a store that fails is a 503 that says when to come back")
  func storeFailure() async throws {
    for error: any Error in [
      JobOperationError.store(.failed("disk on fire")),
      ScheduleError.store(.failed("disk on fire")),
    ] {
      let response = try await response { throw error }
      #expect(response.headers[.retryAfter] == "2")
      let problem = try response.problem()
      #expect(problem.type == "/problems/store-unavailable")
      #expect(problem.status == 503)
      #expect(!problem.detail.contains("fire"))
      #expect(problem.detail.contains("again"))
    }
  }

  @Test("where too much waits to be written it is a 429 that says when to come back")
  func overloaded() async throws {
    for error: any Error in [
      JobOperationError.store(.overloaded), ScheduleError.store(.overloaded),
    ] {
      let response = try await response { throw error }
      #expect(response.headers[.retryAfter] == "1")
      let problem = try response.problem()
      #expect(problem.type == "/problems/too-many-requests")
      #expect(problem.status == 429)
      #expect(problem.detail.contains("again in 1 s"))
    }
  }

  @Test("what the store does not take is a bad request, in its own words")
  func unfit() async throws {
    let list = try await problem { throw JobOperationError.store(.unfit("too many to be ordered")) }
    #expect(list.type == "/problems/invalid-parameter")
    #expect(list.status == 400)
    #expect(list.detail == "too many to be ordered")
    let job = try await problem { throw ScheduleError.store(.unfit("too large")) }
    #expect(job.type == "/problems/invalid-body")
    #expect(job.status == 400)
    #expect(job.detail.contains("too large"))
  }

  @Test("a job id that was deleted is a conflict that names it")
  func deletedID() async throws {
    let id = JobID()
    let problem = try await problem { throw ScheduleError.deleted(id) }
    #expect(problem.type == "/problems/deleted")
    #expect(problem.status == 409)
    #expect(problem.jobID == id)
  }

  @Test("a reply that would go to one of Warren's own queues is a bad request")
  func ownAddress() async throws {
    let problem = try await problem { throw ScheduleError.ownAddress("jobs.submit") }
    #expect(problem.type == "/problems/invalid-body")
    #expect(problem.status == 400)
    #expect(problem.detail.contains("'jobs.submit'"))
  }

  @Test("each kind has a path of its own and a status that is an error")
  func kinds() {
    #expect(Set(ProblemKind.allCases.map(\.path)).count == ProblemKind.allCases.count)
    for kind in ProblemKind.allCases {
      #expect((400...599).contains(kind.status.code))
      #expect(!kind.title.isEmpty)
    }
  }

  private func problem(_ fail: @escaping @Sendable () throws -> Void) async throws -> Problem {
    try await response(fail).problem()
  }

  private func response(_ fail: @escaping @Sendable () throws -> Void) async throws -> TestResponse
  {
    let router = Router()
    router.add(middleware: ProblemMiddleware())
    router.get("/") { _, _ -> Response in
      try fail()
      return Response(status: .ok)
    }
    // The request id travels in the logger's metadata.
    var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .critical
    return try await Application(router: router, logger: logger).test(.router) { client in
      try await client.execute(uri: "/", method: .get)
    }
  }
}
