import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("/jobs/{id}/wait", .timeLimit(.minutes(2)))
struct JobWaitRouteTests {
  @Test("a job at rest is answered at once")
  func atRest() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.complete(job)
      try await fixture.test { client in
        let response = try await client.send(.get, "/jobs/\(job.id)/wait")
        #expect(response.status == .ok)
        #expect(response.headers[.connection] == nil)
        let answered = try response.decoded(as: Job.self)
        #expect(answered.status == .completed)
        #expect(answered.result == ["digest": "ab"])
      }
    }
  }

  @Test("no wait at all answers with the job as it is")
  func noWait() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let answered: Job = try await client.read(
          .get, "/jobs/\(job.id)/wait?timeout=0", status: .accepted)
        #expect(answered.status == .waiting)
      }
    }
  }

  @Test("when the time has passed the job is answered as it is, with 202")
  func timesOut() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let answered: Job = try await client.read(
          .get, "/jobs/\(job.id)/wait?timeout=0.05", status: .accepted)
        #expect(answered.status == .waiting)
        #expect(!fixture.service.hub.isWatched(job.id))
      }
    }
  }

  @Test("the wait ends with the job")
  func endsWithTheJob() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        async let answer = client.send(.get, "/jobs/\(job.id)/wait?timeout=60")
        try await fixture.until(isWatched: true, job.id)
        try await fixture.complete(job)
        let response = try await answer
        #expect(response.status == .ok)
        #expect(try response.decoded(as: Job.self).status == .completed)
        #expect(response.headers[.connection] == "close")
      }
    }
  }

  @Test("a job that is deleted while it is waited for is not found")
  func deletedMeanwhile() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        async let answer = client.problem(.get, "/jobs/\(job.id)/wait?timeout=60")
        try await fixture.until(isWatched: true, job.id)
        _ = try await fixture.service.delete(job.id, tenant: .zero)
        #expect(try await answer.type == "/problems/not-found")
      }
    }
  }

  @Test("a time that is none is refused")
  func badTime() async throws {
    try await APIFixture.with { fixture in
      let job = try await fixture.scheduled()
      try await fixture.test { client in
        let problem = try await client.problem(.get, "/jobs/\(job.id)/wait?timeout=61")
        #expect(problem.type == "/problems/invalid-parameter")
        #expect(problem.status == 400)
        #expect(problem.detail.contains("timeout"))
      }
    }
  }
}
