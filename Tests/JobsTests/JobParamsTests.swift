import Foundation
import Logging
import Testing

@testable import Jobs

/// What everyone knows of a kind of job, from the type of its params alone.
@Suite("Params that name their job")
struct JobParamsTests {
  struct Everything: JobParams {
    static let job = JobDefinition(
      "media:resize", queue: .download, description: "Resizes", timeout: .seconds(60),
      retry: .exponential(3), priority: 5, suspendable: true)
    static let defaults = ParamDefaults { Self(path: $0, size: $1, mode: $2, tags: $3) }
    static let descriptions = ["path": "What to resize", "size/width": "In pixels"]

    enum Mode: String, Codable, CaseIterable { case fast, safe }
    struct Size: Codable, Sendable {
      var width: Int
      var height: Int?
    }
    struct Tree: Codable, Sendable {
      var name: String
      var children: [Tree] = []
    }
    struct Result: Codable { var bytes: Int }

    var path: String
    var size: Size
    var mode: Mode
    var tags: [String]
    var quality = 0.8
    var force = false
    var fallback: Mode?
    var due: Date?
    var source: URL?
    var owner: UUID?
    var sizes: [Size] = []
    var labels: [String: String] = [:]
    var tree: Tree?
    var at = Date(timeIntervalSince1970: 1)
  }

  private func schema() throws -> ParamsSchema { try Everything.describe(callbacks: []).schema }

  @Test("the description is what the definition says")
  func definition() throws {
    let type = try Everything.describe(callbacks: [.suspend])
    #expect(type.id.description == "media:resize")
    #expect(type.description == "Resizes")
    #expect(type.timeout == .seconds(60))
    #expect(type.retry.maxRetries == 3)
    #expect(type.retry.backoff == .exponential)
    #expect(type.priority == 5)
    #expect(type.suspendable)
    #expect(type.callbacks == [.suspend])
    #expect(try Everything.group() == JobGroup("media", queue: .download))
  }

  @Test("what has no default is required; optionals, and what has one, are not")
  func required() throws {
    let schema = SchemaBuilder(try schema().json)
    #expect(schema.required == ["path", "size", "mode", "tags"])
    #expect(schema.properties?["size"]?.required == ["width"])
    #expect(schema.properties?["quality"]?.defaultValue == 0.8)
    #expect(schema.properties?["path"]?.defaultValue == nil)
    #expect(schema.properties?["at"]?.defaultValue == "1970-01-01T00:00:01.000Z")
    #expect(
      try Everything.describe(callbacks: []).params
        == [
          "quality": 0.8, "force": false, "sizes": [], "labels": [:],
          "at": "1970-01-01T00:00:01.000Z",
        ])
  }

  @Test("each member is of its kind, empty ones too")
  func kinds() throws {
    let properties = try #require(SchemaBuilder(try schema().json).properties)
    #expect(properties["path"]?.kinds == [.string])
    #expect(properties["mode"]?.choices == ["fast", "safe"])
    #expect(properties["fallback"]?.choices == ["fast", "safe", .null])
    #expect(properties["fallback"]?.kinds == [.string, .null])
    #expect(properties["due"]?.format == .dateTime)
    #expect(properties["source"]?.format == .uriReference)
    #expect(properties["owner"]?.format == .uuid)
    #expect(properties["owner"]?.kinds == [.string, .null])
    #expect(properties["tags"]?.items?.kinds == [.string])
    #expect(properties["sizes"]?.items?.required == ["width"])
    #expect(properties["labels"]?.kinds == [.object])
    #expect(properties["labels"]?.properties == nil)
    // It contains itself: somewhere, anything goes.
    #expect(properties["tree"]?.properties?["children"]?.items?.properties?["name"] != nil)
    #expect(properties["path"]?.description == "What to resize")
    #expect(properties["size"]?.properties?["width"]?.description == "In pixels")
  }

  private func refusal(_ params: JSONValue) throws -> (String, String)? {
    let schema = try schema()
    do throws(ParamsError) {
      _ = try schema.complete(params)
      return nil
    } catch {
      return (error.violations[0].pointer, error.description)
    }
  }

  @Test("what is wrong is named with its pointer, and with what would be right")
  func refusals() throws {
    let good: [String: JSONValue] = [
      "path": "a", "size": ["width": 1], "mode": "fast", "tags": [],
    ]
    func refused(_ name: String, _ value: JSONValue?) throws -> [String] {
      var params = good
      params[name] = value
      return try refusal(.object(params)).map { [$0.0, $0.1] } ?? []
    }
    #expect(try refusal(.object(good)) == nil)
    #expect(
      try refused("path", nil) == [
        "/path", "the parameter /path is missing; this parameter (string) has to be given",
      ])
    #expect(
      try refused("size", [:]) == [
        "/size/width",
        "the parameter /size/width is missing; this parameter (integer) has to be given",
      ])
    #expect(
      try refused("mode", "slow") == [
        "/mode", #"the parameter /mode must be one of "fast", "safe""#,
      ])
    #expect(try refused("fallback", .null) == [])
    #expect(
      try refused("due", "tomorrow") == [
        "/due", "the parameter /due is no text of the format date-time",
      ])
    #expect(try refused("due", "2026-07-01T12:00:00Z") == [])
    #expect(try refused("due", "2026-07-01T12:00:00.123+02:00") == [])
    #expect(try refused("owner", "x").first == "/owner")
    #expect(try refused("a/b~c", 1).first == "/a~1b~0c")
    #expect(
      try refused("path", 1) == ["/path", "the parameter /path must be string, not integer"])
  }

  @Test("what the schema completes decodes, and comes back as it was")
  func completion() throws {
    let completed = try schema().complete([
      "path": "a", "size": ["width": 1], "mode": "safe", "tags": ["x"],
      "due": "2026-07-01T12:00:00.123Z",
    ])
    let params = try completed.decode(as: Everything.self)
    #expect(params.quality == 0.8)
    #expect(params.mode == .safe)
    let due = try #require(params.due).timeIntervalSince1970
    #expect((due * 1000).rounded() == 1_782_907_200_123)
    #expect(try JSONValue(encoding: params).members?["due"] == "2026-07-01T12:00:00.123Z")
  }

  @Test("it survives being written and read as JSON Schema")
  func roundTrip() throws {
    let schema = try schema()
    let json = try JSONValue(encoding: schema)
    #expect(json.members?["required"] == ["mode", "path", "size", "tags"])
    #expect(
      json.members?["properties"]?.members?["mode"] == [
        "type": "string", "enum": ["fast", "safe"],
      ])
    #expect(try json.decode(as: ParamsSchema.self) == schema)
  }

  struct Plain: JobParams {
    static let job = JobDefinition("a:plain")
    var path: String
    var top = 3
    var label: String?
  }

  @Test("without defaults all but optionals have to be given")
  func plain() throws {
    let type = try Plain.describe(callbacks: [])
    #expect(SchemaBuilder(type.schema.json).required == ["path", "top"])
    #expect(type.params == [:])
    #expect(type.retry == RetryPolicy.never)
  }

  struct AllDefault: JobParams {
    static let job = JobDefinition("a:default")
    static let defaults = ParamDefaults { Self() }
    var path = "x"
    var top = 3
  }

  struct Nothing: JobParams {
    static let job = JobDefinition("a:nothing")
  }

  @Test("params may all have defaults, or there may be none")
  func empty() throws {
    #expect(try AllDefault.describe(callbacks: []).params == ["path": "x", "top": 3])
    #expect(SchemaBuilder(try AllDefault.describe(callbacks: []).schema.json).required == [])
    let nothing = try Nothing.describe(callbacks: [])
    #expect(SchemaBuilder(nothing.schema.json).properties == [:])
    #expect(throws: ParamsError.self) { try nothing.schema.complete(["x": 1]) }
  }

  struct Checked: Codable, Sendable {
    var address: String
    init(_ address: String) { self.address = address }
    init(from decoder: any Decoder) throws {
      address = try decoder.singleValueContainer().decode(String.self)
      guard address.contains("@") else { throw JSONError("no address") }
    }
    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(address)
    }
  }

  struct Unguessable: JobParams {
    static let job = JobDefinition("a:mail")
    var to: Checked
  }

  struct WithExample: JobParams {
    static let job = JobDefinition("a:mail")
    static let example: Self? = Self(to: Checked("a@b"))
    var to: Checked
    var subject: String?
  }

  struct Misdescribed: JobParams {
    static let job = JobDefinition("a:b")
    static let descriptions = ["pth": "a slip"]
    var path: String
  }

  @Test("a type that takes no made-up values says so, and an example helps")
  func unguessable() throws {
    let error = #expect(throws: JobParamsError.self) { try Unguessable.describe(callbacks: []) }
    let text = try #require(error).description
    #expect(text.contains("Unguessable") && text.contains("example"), "\(text)")
    let schema = SchemaBuilder(try WithExample.describe(callbacks: []).schema.json)
    #expect(schema.required == ["to"])
    #expect(schema.properties?["to"]?.kinds == [.string])
    #expect(schema.properties?["subject"]?.kinds == [.string, .null])
    let slip = #expect(throws: JobParamsError.self) { try Misdescribed.describe(callbacks: []) }
    #expect(try #require(slip).description.contains("pth"))
  }

  struct Refined: JobParams {
    static let job = JobDefinition("a:refined")
    static let defaults = ParamDefaults { Self(path: $0) }
    static let example: Self? = Self(path: "a")
    struct Login: Codable, Sendable {
      var user: String
      var token: String?
    }
    var path: String
    var top = 3
    var login: Login?
    var tags: [String] = []

    static func refine(_ schema: inout SchemaBuilder) {
      schema["path"].minLength = 1
      schema["path"].pattern = "^/"
      schema["top"].minimum = 1
      schema["top"].maximum = 100
      schema["login"]["token"].writeOnly = true
      schema["tags"].items?.maxLength = 5
      schema[keyword: "dependentRequired"] = ["login": ["tags"]]
    }
  }

  struct Slip: JobParams {
    static let job = JobDefinition("a:slip")
    struct Size: Codable, Sendable { var width: Int }
    var size: Size
    static func refine(_ schema: inout SchemaBuilder) { schema["size"]["widht"].minimum = 1 }
  }

  struct Unfit: JobParams {
    static let job = JobDefinition("a:unfit")
    static let defaults = ParamDefaults { Self() }
    var top = 3
    static func refine(_ schema: inout SchemaBuilder) { schema["top"].minimum = 4 }
  }

  struct Unknown: JobParams {
    static let job = JobDefinition("a:unknown")
    var top = 3
    static func refine(_ schema: inout SchemaBuilder) {
      schema["top"][keyword: "atLeast"] = 4
    }
  }

  @Test("a type says more of its params than Swift does, and all that does not fit is told")
  func refined() throws {
    let schema = try Refined.describe(callbacks: []).schema
    #expect(try schema.complete(["path": "/a"]).members?["top"] == 3)
    let error = #expect(throws: ParamsError.self) {
      try schema.complete([
        "path": "", "top": 0, "tags": ["short", "too long"], "login": ["user": 1],
      ])
    }
    #expect(
      error?.violations.map { "\($0.pointer) \($0.keyword)" } == [
        "/login/user type", "/path minLength", "/path pattern", "/tags/1 maxLength", "/top minimum",
      ])
    let json = try JSONValue(encoding: schema)
    let login = json.members?["properties"]?.members?["login"]
    #expect(
      login?.members?["properties"]?.members?["token"]
        == ["type": ["null", "string"], "writeOnly": true])
    #expect(try json.decode(as: ParamsSchema.self) == schema)
  }

  @Test("a refinement of what is no member, that no default fits, or that is none, is an error")
  func wrongRefinements() throws {
    func message(_ type: (some JobParams).Type) throws -> String {
      try #require(
        #expect(throws: JobParamsError.self) { try type.describe(callbacks: []) }
      ).description
    }
    #expect(try message(Slip.self).contains("names size/widht, which is no member"))
    let unfit = try message(Unfit.self)
    #expect(
      unfit
        == "Unfit cannot be the params of the job type a:unfit: the schema's /properties/top/default: default"
        + " does not fit: it must be at least 4, not 3")
    #expect(try message(Unknown.self).contains("/properties/top/atLeast: atLeast is no keyword"))
  }

  // MARK: Handlers

  struct Handler: JobHandler, JobPreparing, JobSuspending, JobObserving {
    func run(_ params: Plain, _ job: JobContext) async throws -> NoResult { NoResult() }
    func prepare(_ params: Plain, _ job: JobContext) async throws {
      if params.path.isEmpty { throw PermanentFailure("no path") }
    }
    func willSuspend(_ params: Plain, _ job: JobContext) async throws {}
    func stateDidChange(_ params: Plain, _ state: JobState) async {}
  }

  final class Types: JobRegistering {
    var types: [RegisteredJobType] = []
    var errors: [any Error] = []
    func register(_ type: () throws -> RegisteredJobType) {
      do { types.append(try type()) } catch { errors.append(error) }
    }
  }

  private func context(_ params: JSONPayload = [:]) -> JobContext {
    JobContext(
      assignment: JobAssignment(job: JobID(), type: .named("a:b"), attempt: 1, params: params),
      logger: .init(label: "test"))
  }

  @Test("a handler has the callbacks that it has")
  func handlers() async throws {
    let types = Types()
    types.on(Handler())
    let type = try #require(types.types.first)
    #expect(type.description.callbacks == [.initialize, .suspend])
    #expect(type.stateUpdate != nil)
    #expect(type.resume == nil)
    let prepare = try #require(type.initialize)
    try await prepare(["path": "a", "top": 1], context())
    await #expect(throws: PermanentFailure("no path")) {
      try await prepare(["path": "", "top": 1], context())
    }
    #expect(try await type.execute(["path": "a", "top": 1], context()) == nil)
  }

  struct Busy: Error {}
  struct Broken: Error {}

  struct Picky: JobParams {
    static let job = JobDefinition(
      "a:picky", stallTimeout: .seconds(5),
      retry: .constant(3).deciding { $0 is Busy ? .retryAfter(.seconds(9), counted: false) : nil }
        .when { $0 is Busy || $0 is CancellationError })
  }

  @Test("what happens after a failure depends on the error, where the type says so")
  func decisions() throws {
    let types = Types()
    types.on(Picky.self) { _, _ in }
    let type = try #require(types.types.first)
    #expect(type.description.stallTimeout == .seconds(5))
    #expect(type.description.retry.maxRetries == 3)
    let decide = try #require(type.decide)
    #expect(decide(Busy()) == .retryAfter(.seconds(9), counted: false))
    #expect(decide(Broken()) == .fail)
    #expect(decide(CancellationError()) == nil)
  }

  @Test("a closure runs jobs, with a result and without")
  func closures() async throws {
    let types = Types()
    types.on(Everything.self) { params, _ in Everything.Result(bytes: params.tags.count) }
    types.on(Plain.self) { params, job in
      guard params.top > 0 else { throw job.skip("nothing") }
    }
    types.on(Unguessable.self) { _, _ in }
    #expect(types.types.count == 2)
    #expect(types.errors.first is JobParamsError)
    let completed = try schema().complete([
      "path": "a", "size": ["width": 1], "mode": "safe", "tags": ["x"],
    ])
    #expect(try await types.types[0].execute(JSONPayload(completed), context()) == ["bytes": 1])
    #expect(try await types.types[1].execute(["path": "a", "top": 1], context()) == nil)
    await #expect(throws: JobSkip(reason: "nothing")) {
      try await types.types[1].execute(["path": "a", "top": 0], context())
    }
    await #expect(throws: PermanentFailure.self) {
      try await types.types[1].execute(["path": 1], context())
    }
  }
}
