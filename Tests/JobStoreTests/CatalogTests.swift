import Foundation
import JobStore
import Jobs
import Testing

@Suite(.timeLimit(.minutes(3))) struct CatalogTests {
  private func type(_ id: String, description: String = "") throws -> JobTypeDescription {
    let params: JSONValue = ["path": "", "depth": 3]
    return JobTypeDescription(
      id: try JobTypeID(id), description: description, timeout: .seconds(60),
      retry: RetryPolicy(maxRetries: 2, delay: .seconds(1), backoff: .exponential, jitter: 0.5),
      params: params, schema: ParamsSchema(defaults: params), suspendable: true)
  }

  @Test func whatIsSavedReplacesWhatHasTheSameName() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let compute = JobQueue(name: .compute, capacity: 1)
      let download = JobQueue(name: .download, capacity: 10)
      let files = try JobGroup("files", queue: .compute, description: "Work on files")
      let media = try JobGroup("media", queue: .download)
      try await store.save(
        groups: [media, files], types: [try type("files:words"), try type("files:checksum")],
        queues: [download, compute])
      #expect(
        try await store.catalog()
          == StoredCatalog(
            groups: [files, media], types: [try type("files:checksum"), try type("files:words")],
            queues: [compute, download]))

      let wider = JobQueue(name: .compute, capacity: 4)
      let moved = try JobGroup("files", queue: .download, description: "Elsewhere")
      let better = try type("files:words", description: "Counts words")
      try await store.save(groups: [moved], types: [better], queues: [wider])
      let reopened = try await store.catalog()
      #expect(reopened.groups == [moved, media])
      #expect(reopened.types == [try type("files:checksum"), better])
      #expect(reopened.queues == [wider, download])
      #expect(fixture.recorder.commits.isEmpty)
    }
  }

  @Test func nothingIsKnownAtFirst() async throws {
    try await withStore { fixture in
      try await fixture.store.save(groups: [], types: [], queues: [])
      #expect(
        try await fixture.store.catalog() == StoredCatalog(groups: [], types: [], queues: []))
    }
  }
}
