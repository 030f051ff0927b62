import Foundation
import JobConfig
import Jobs
import Logging
import Testing

@Suite("The configuration file")
struct ConfigurationTests {
  @Test("every key of it is read")
  func everyKey() throws {
    let configuration = try parsed(fullExample)
    #expect(configuration.broker.url == "amqp://guest:guest@127.0.0.1:5672/")
    #expect(configuration.prefix == "work")
    #expect(configuration.store == "./warren.sqlite")
    #expect(configuration.logLevel == .debug)
    #expect(configuration.http.host == "127.0.0.1")
    #expect(configuration.http.port == 8081)
    #expect(configuration.http.maxBodyBytes == 2048)
    #expect(configuration.server.poisonLimit == 3)
    #expect(configuration.worker.drainTimeout == .seconds(60))
    #expect(
      configuration.queues.map { "\($0.name) \($0.capacity)" } == [
        "compute 4", "download 10", "idle 1", "maintenance 5", "reports-daily 2",
      ])
    #expect(configuration.groups.map(\.name) == ["files", "letters"])
    #expect(configuration.groups.map(\.queue.rawValue) == ["compute", "reports-daily"])
    #expect(configuration.groups.map(\.description) == ["Work on files", ""])
    #expect(
      configuration.types.map(\.description.id.description) == ["files:checksum", "files:count"])
  }

  @Test("every key of a type is read")
  func type() throws {
    let type = try #require(try parsed(fullExample).types.first)
    #expect(type.group.name == "files")
    #expect(type.description.description == "SHA-256 of a file")
    #expect(type.command == ["sha256sum", "{path}", "5"])
    #expect(type.description.timeout == .seconds(60))
    #expect(type.description.stallTimeout == .seconds(30))
    #expect(
      type.description.retry
        == RetryPolicy(
          maxRetries: 2, delay: .seconds(1), backoff: .exponential, maxDelay: .seconds(3600),
          jitter: 0.2))
    #expect(type.description.priority == 6)
    #expect(type.description.suspendable)
    #expect(type.grace == .seconds(2))
    #expect(type.workingDirectory == "/srv")
    #expect(type.environment == ["MODE": "fast", "LEVEL": "3"])
    #expect(type.maxOutputBytes == 1024)
    let params: JSONValue = [
      "path": "", "depth": 3, "ratio": 0.5, "deep": ["on": false], "tags": ["a"], "any": .null,
      "word": "no",
    ]
    #expect(type.description.params == params)
    #expect(type.description.schema == ParamsSchema(defaults: params))
  }

  @Test("a type's params may have a schema of their own, which the defaults are part of")
  func paramsSchema() throws {
    let type = try #require(
      try parsed(
        """
        groups: {files: {queue: compute}}
        types:
          - name: resize
            group: files
            params: {quality: 80, size: {height: 3}}
            params_schema:
              type: object
              required: [path]
              additionalProperties: false
              properties:
                path: {type: string, minLength: 1, pattern: "^/"}
                quality: {type: integer, minimum: 1, maximum: 100}
                size: {type: object, properties: {width: {default: 7}}}
                token: {type: string, writeOnly: true}
            command: [resize, "{path}", "{size.width}"]
        """,
        checks: ConfigurationChecks(command: { _, params in
          params == [
            "path": .null, "quality": 80, "size": ["height": 3, "width": .null], "token": .null,
          ]
            ? [] : ["\(params.text)"]
        })
      ).types.first)
    #expect(type.description.params == ["quality": 80, "size": ["height": 3]])
    let schema = type.description.schema
    #expect(
      try schema.complete(["path": "/a", "size": [:]])
        == ["path": "/a", "quality": 80, "size": ["height": 3, "width": 7]])
    #expect(throws: ParamsError.self) { try schema.complete(["path": "a"]) }
    #expect(throws: ParamsError.self) { try schema.complete([:]) }
    #expect(schema.json.members?["required"] == ["path"])
  }

  @Test("what a type leaves out has a default")
  func typeDefaults() throws {
    let type = try #require(try parsed(fullExample).types.last)
    #expect(type.description.timeout == .zero)
    #expect(type.description.stallTimeout == .zero)
    #expect(type.description.retry == .never)
    #expect(type.description.priority == 0)
    #expect(type.description.params == [:])
    #expect(!type.description.suspendable)
    #expect(type.grace == .seconds(5))
    #expect(type.workingDirectory == nil)
    #expect(type.environment.isEmpty)
    #expect(type.maxOutputBytes == 65_536)
  }

  @Test(
    "an empty file, one of comments, and none at all give the defaults",
    arguments: ["", "# x", "---\n"])
  func defaults(text: String) throws {
    for configuration in [
      try parsed(text), try WarrenConfiguration.load(path: nil, environment: [:]),
    ] {
      #expect(configuration.broker == .standard)
      #expect(configuration.prefix == "jobs")
      #expect(configuration.http.host == "127.0.0.1")
      #expect(configuration.http.port == 8080)
      #expect(configuration.http.maxBodyBytes == 1_048_576)
      #expect(configuration.worker.drainTimeout == .seconds(30))
      #expect(configuration.server.poisonLimit == 5)
      #expect(configuration.queues == JobQueue.builtIn.sorted { $0.name < $1.name })
      #expect(configuration.groups.isEmpty)
      #expect(configuration.types.isEmpty)
      #expect(configuration.retention == RetentionPolicy())
    }
  }

  @Test(
    "anchors and merge keys work; what a map has itself counts more, and then what is merged first")
  func mergeKeys() throws {
    let configuration = try parsed(
      """
      groups: {files: {queue: compute}}
      types:
        - &base {name: a, group: files, command: [a], timeout: 5s, grace: 1s}
        - {<<: *base, name: b, timeout: 6s}
        - {<<: [{name: c, grace: 9s}, *base]}
      """)
    #expect(configuration.types.map(\.description.id.name) == ["a", "b", "c"])
    #expect(
      configuration.types.map(\.description.timeout) == [.seconds(5), .seconds(6), .seconds(5)])
    #expect(configuration.types.map(\.grace) == [.seconds(1), .seconds(1), .seconds(9)])
  }

  @Test("a file is read from disk")
  func file() throws {
    let file = FileManager.default.temporaryDirectory
      .appending(path: "warren-config-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(fullExample.utf8).write(to: file)
    let configuration = try WarrenConfiguration.load(
      path: file.path, environment: ["WARREN_HTTP_PORT": "9"])
    #expect(configuration.prefix == "work")
    #expect(configuration.http.port == 9)
  }

  @Test("its description has no secret")
  func secrets() throws {
    let configuration = try parsed(
      """
      broker: amqps://ann:s3cret@broker:5671/v?certfile=x
      groups: {files: {queue: compute}}
      types: [{name: a, group: files, command: [a], environment: {TOKEN: s3cret}}]
      """)
    var dumped = ""
    dump(configuration.broker, to: &dumped)
    for text in [
      "\(configuration)", String(reflecting: configuration), "\(configuration.broker)", dumped,
    ] {
      #expect(!text.contains("s3cret"))
      #expect(text.contains("amqps://ann:***@broker:5671/v"))
    }
  }

  @Test(
    "a broker's password is masked however odd the URL",
    arguments: [
      ("amqp://u:p@h/", "amqp://u:***@h/"), ("amqp://u:p@p:p@h/", "amqp://u:***@h/"),
      ("amqp://u:p/p@h/v", "amqp://u:***@h/v"), ("amqp://u@h/", "amqp://u@h/"),
      ("amqp://h:1/", "amqp://h:1/"), ("amqp://u:p@h?password=p", "amqp://u:***@h"),
      ("secret", "***"), ("", "***"),
    ])
  func masking(url: String, shown: String) {
    #expect(BrokerAddress(url).description == shown)
  }
}
