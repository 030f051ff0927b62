import Foundation
import HTTPTypes
import HummingbirdTesting
import Jobs
import Testing

@testable import JobServer

@Suite("/job_types and /job_groups", .timeLimit(.minutes(2)))
struct CatalogRoutesTests {
  @Test("job types are listed by id, with their defaults and schema")
  func types() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let list: JobTypeList = try await client.read(.get, "/job_types")
        #expect(list.total == 2)
        #expect(list.pageNumber == 1)
        #expect(list.pageSize == 50)
        #expect(list.order == "type_id")
        #expect(list.jobTypes.map(\.id.description) == ["files:checksum", "files:count"])
        #expect(list.jobTypes.first?.params == ["path": "", "rounds": 1])
        let last: JobTypeList = try await client.read(
          .get, "/job_types?page=2&page_size=1&order=-type_id")
        #expect(last.jobTypes.map(\.id.description) == ["files:checksum"])
        #expect(last.total == 2)
      }
    }
  }

  @Test("one job type, its colon encoded or not", arguments: ["files:count", "files%3Acount"])
  func type(id: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let type: JobTypeDescription = try await client.read(.get, "/job_types/\(id)")
        #expect(type.id.description == "files:count")
      }
    }
  }

  @Test(
    "a job type that is not there is told the known ones", arguments: ["files:sum", "x", "%zz"])
  func noType(id: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let problem = try await client.problem(.get, "/job_types/\(id)")
        #expect(problem.type == "/problems/not-found")
        #expect(problem.status == 404)
        #expect(problem.detail.contains("'\(id)'"))
        #expect(problem.detail.contains("files:checksum, files:count"))
        #expect(problem.knownTypes?.count == 2)
      }
    }
  }

  @Test("job groups are listed by name, and found by it")
  func groups() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let list: JobGroupList = try await client.read(.get, "/job_groups?page_size=10")
        #expect(list.total == 1)
        #expect(list.order == "name")
        #expect(list.pageSize == 10)
        let group: JobGroup = try await client.read(.get, "/job_groups/files")
        #expect([group] == list.jobGroups)
        #expect(group.queue == .compute)
        #expect(group.description == "Work on files")
        let problem = try await client.problem(.get, "/job_groups/folders")
        #expect(problem.type == "/problems/not-found")
        #expect(problem.detail.contains("'folders'"))
        #expect(problem.detail.contains("files"))
      }
    }
  }

  @Test("wrong queries are refused", arguments: ["/job_types", "/job_groups"])
  func badQueries(path: String) async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        for (query, culprit) in [
          ("page=0", "page"), ("page_size=0", "page_size"), ("order=age", "age"), ("q=1", "'q'"),
        ] {
          let problem = try await client.problem(.get, "\(path)?\(query)")
          #expect(problem.type == "/problems/invalid-parameter")
          #expect(problem.detail.contains(culprit))
        }
      }
    }
  }
}
