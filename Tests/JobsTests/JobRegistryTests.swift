import Logging
import Testing

@testable import Jobs

@Suite("Registry and job types")
struct JobRegistryTests {
  struct Params: Codable, Sendable { var path = "" }
  struct Sum: Codable, Sendable, Equatable { var digest: String }

  private func type(_ name: String, queue: JobQueueName = .compute) throws -> JobType<Params, Sum> {
    try JobType(group: JobGroup("files", queue: queue), name: name, params: Params()) { params, _ in
      Sum(digest: params.path)
    }
  }

  private func context() throws -> JobContext {
    JobContext(
      assignment: JobAssignment(job: JobID(), type: try JobTypeID("files:sum"), attempt: 1),
      logger: Logger(label: "test"))
  }

  @Test("compute 1, maintenance 5 and download 10 are built in")
  func builtIn() {
    let capacities = JobRegistry().queues.mapValues(\.capacity)
    #expect(capacities == [.compute: 1, .maintenance: 5, .download: 10])
  }

  @Test("a second type of the same id is an error")
  func duplicate() throws {
    var registry = JobRegistry()
    try registry.register(type("sum"))
    #expect(throws: RegistryError.duplicateType(try JobTypeID("files:sum"))) {
      try registry.register(type("sum"))
    }
  }

  @Test("a group cannot stand for two queues, nor for one that is not declared")
  func groups() throws {
    var registry = JobRegistry()
    try registry.register(type("sum"))
    let error = #expect(throws: RegistryError.self) {
      try registry.register(type("other", queue: .download))
    }
    #expect(
      error?.description
        == "the job group files is put into the queues compute and download by files:sum,"
        + " files:other; the types of a group share one queue: give one of them another group, or the"
        + " same queue")
    let nowhere = try JobGroup("x", queue: JobQueueName("nowhere"))
    #expect(throws: RegistryError.self) { try registry.register(nowhere) }
  }

  @Test("a typed callback gets its params and gives its result, as JSON")
  func erased() async throws {
    let registered = RegisteredJobType(try type("sum"))
    #expect(try await registered.execute(["path": "a"], context()) == ["digest": "a"])
  }

  @Test("a result that cannot be written as JSON fails for good")
  func unwritable() async throws {
    let registered = RegisteredJobType(
      try JobType(group: JobGroup("files", queue: .compute), name: "ratio", params: Params()) {
        _, _ in
        Double.nan
      })
    await #expect(throws: PermanentFailure.self) {
      try await registered.execute([:], context())
    }
  }

  @Test("params that do not decode fail for good")
  func undecodable() async throws {
    let registered = RegisteredJobType(try type("sum"))
    await #expect(throws: PermanentFailure.self) {
      try await registered.execute(["path": 1], context())
    }
  }

  @Test("a type without a result gives none")
  func noResult() async throws {
    let quiet = try JobType(
      group: JobGroup("files", queue: .compute), name: "quiet", params: NoParams()
    ) { _, _ in }
    #expect(try await RegisteredJobType(quiet).execute([:], context()) == nil)
  }
}
