import JobConfig
import Jobs
import Logging
import Testing

@Suite("The environment's overrides")
struct EnvironmentTests {
  @Test("reach every scalar of the file, by its path")
  func everyScalar() throws {
    let configuration = try parsed(
      fullExample,
      [
        "WARREN_BROKER": "amqp://other/", "WARREN_PREFIX": "p", "WARREN_STORE": "s",
        "WARREN_BROKER_USER": "u", "WARREN_BROKER_PASSWORD": "p@",
        "WARREN_LOG_LEVEL": "ERROR", "WARREN_HTTP_HOST": "0.0.0.0", "WARREN_HTTP_PORT": "1",
        "WARREN_HTTP_MAX_BODY_BYTES": "2", "WARREN_HTTP_MAX_STREAMS": "3",
        "WARREN_HTTP_MAX_STREAMS_PER_TENANT": "2",
        "WARREN_SERVER_POISON_LIMIT": "7",
        "WARREN_WORKER_DRAIN_TIMEOUT": "3s", "WARREN_QUEUES_COMPUTE_CAPACITY": "9",
        "WARREN_QUEUES_REPORTS_DAILY_CAPACITY": "8", "WARREN_QUEUES_DOWNLOAD_CAPACITY": "7",
        "WARREN_GROUPS_FILES_QUEUE": "download", "WARREN_GROUPS_FILES_DESCRIPTION": "d",
        "WARREN_TYPES_FILES_CHECKSUM_DESCRIPTION": "t",
        "WARREN_TYPES_FILES_CHECKSUM_TIMEOUT": "4s",
        "WARREN_TYPES_FILES_CHECKSUM_MAX_RETRIES": "5",
        "WARREN_TYPES_FILES_CHECKSUM_RETRY_DELAY": "6s",
        "WARREN_TYPES_FILES_CHECKSUM_BACKOFF": "linear",
        "WARREN_TYPES_FILES_CHECKSUM_MAX_RETRY_DELAY": "7s",
        "WARREN_TYPES_FILES_CHECKSUM_JITTER": "0.4",
        "WARREN_TYPES_FILES_CHECKSUM_PRIORITY": "3",
        "WARREN_TYPES_FILES_CHECKSUM_SUSPENDABLE": "false",
        "WARREN_TYPES_FILES_CHECKSUM_GRACE": "8s",
        "WARREN_TYPES_FILES_CHECKSUM_WORKING_DIRECTORY": "/tmp",
        "WARREN_TYPES_FILES_CHECKSUM_MAX_OUTPUT_BYTES": "9",
      ])
    #expect(configuration.broker.url == "amqp://u:p%40@other/")
    #expect(configuration.prefix == "p")
    #expect(configuration.store == "s")
    #expect(configuration.logLevel == .error)
    #expect(configuration.http.host == "0.0.0.0")
    #expect(configuration.http.port == 1)
    #expect(configuration.http.maxBodyBytes == 2)
    #expect(configuration.http.maxStreams == 3)
    #expect(configuration.http.maxStreamsPerTenant == 2)
    #expect(configuration.server.poisonLimit == 7)
    #expect(configuration.worker.drainTimeout == .seconds(3))
    #expect(configuration.queues.map(\.capacity) == [9, 7, 1, 5, 8])
    #expect(configuration.groups.first?.queue == .download)
    #expect(configuration.groups.first?.description == "d")
    let type = try #require(configuration.types.first)
    #expect(type.description.description == "t")
    #expect(type.description.timeout == .seconds(4))
    #expect(
      type.description.retry
        == RetryPolicy(
          maxRetries: 5, delay: .seconds(6), backoff: .linear, maxDelay: .seconds(7), jitter: 0.4))
    #expect(type.description.priority == 3)
    #expect(!type.description.suspendable)
    #expect(type.grace == .seconds(8))
    #expect(type.workingDirectory == "/tmp")
    #expect(type.maxOutputBytes == 9)
    #expect(configuration.types.last?.description.timeout == .zero)
  }

  @Test("count without a file, too")
  func withoutFile() throws {
    let configuration = try WarrenConfiguration.load(
      path: nil, environment: ["WARREN_QUEUES_COMPUTE_CAPACITY": "4", "WARREN_BROKER": "amqps://b"])
    #expect(configuration.queues.first?.capacity == 4)
    #expect(configuration.broker.url == "amqps://b")
  }

  @Test("of wrong value are refused by their variable's name, even where the file is right")
  func wrongValues() {
    #expect(
      problems("http: {port: 1}", ["WARREN_HTTP_PORT": "x", "WARREN_QUEUES_COMPUTE_CAPACITY": "0"])
        .sorted() == [
          "WARREN_HTTP_PORT: must be an integer from 0 to 65535, not 'x'",
          "WARREN_QUEUES_COMPUTE_CAPACITY: must be an integer from 1 to 65535, not '0'",
        ])
    #expect(
      problems("", ["WARREN_BROKER": "s3cret"]) == [
        "WARREN_BROKER: must be an AMQP URL, which begins with amqp:// or amqps://"
      ])
    #expect(
      problems("", ["WARREN_STORE": ""]) == ["WARREN_STORE: must be the path of a file, not empty"])
  }

  @Test("put right what is wrong in the file")
  func precedence() throws {
    #expect(try parsed("http: {port: x}", ["WARREN_HTTP_PORT": "5"]).http.port == 5)
    #expect(
      try parsed("groups: {files: {}}", ["WARREN_GROUPS_FILES_QUEUE": "compute"]).groups.count == 1)
  }

  @Test("leave alone what is not Warren's, or not the configuration's")
  func others() throws {
    let configuration = try parsed(
      fullExample,
      [
        "WARREN_SERVER": "http://x", "_TIMEOUT": "x", "NAME": "x", "WARRENTY": "void",
        // What a program finds that a worker runs, which may call warren.
        "WARREN_JOB_ID": "x", "WARREN_JOB_TYPE": "x", "WARREN_ATTEMPT": "1", "WARREN_RETRIES": "0",
        "WARREN_TENANT_ID": "x", "WARREN_USER_ID": "x", "WARREN_REPORT": "x",
        "WARREN_SNAPSHOT": "x", "WARREN_SHEPHERD": "x",
        // What the scripts take.
        "WARREN_AMQP_PORT": "1", "WARREN_MANAGEMENT_PORT": "1", "WARREN_USER": "x",
        "WARREN_PASSWORD": "x", "WARREN_TEST_FAST": "1",
        // What Kubernetes says of services that are called warren and warren-server.
        "WARREN_SERVICE_HOST": "10.0.0.1", "WARREN_SERVICE_PORT": "80",
        "WARREN_SERVICE_PORT_HTTP": "80", "WARREN_PORT": "tcp://10.0.0.1:80",
        "WARREN_PORT_80_TCP": "tcp://10.0.0.1:80", "WARREN_PORT_80_TCP_PROTO": "tcp",
        "WARREN_SERVER_SERVICE_HOST": "10.0.0.1", "WARREN_SERVER_PORT": "tcp://10.0.0.1:80",
        "WARREN_SERVER_PORT_80_TCP_ADDR": "10.0.0.1",
      ])
    #expect(configuration.types.first?.description.id.description == "files:checksum")
    #expect(configuration.http.port == 8081)
  }

  @Test(
    "that nothing reads are refused, with what was meant",
    arguments: [
      ("WARREN_HTTP_PROT", "did you mean WARREN_HTTP_PORT?"),
      ("WARREN_PORT", "did you mean WARREN_HTTP_PORT?"),
      ("WARREN_BROKRE", "did you mean WARREN_BROKER?"),
      ("WARREN_WORKER_DRAIN_TIMOUT", "did you mean WARREN_WORKER_DRAIN_TIMEOUT?"),
      ("WARREN_QUEUES_COMPTE_CAPACITY", "did you mean WARREN_QUEUES_COMPUTE_CAPACITY?"),
      (
        "WARREN_TYPES_FILES_CHEKSUM_TIMEOUT",
        "did you mean WARREN_TYPES_FILES_CHECKSUM_TIMEOUT?"
      ),
      ("WARREN_SEVRER", "did you mean WARREN_SERVER?"),
      (
        "WARREN_TYPES_FILES_CHECKSUM_COMMAND",
        "a setting's variable is its path in the file, as in WARREN_HTTP_PORT"
      ), ("WARREN_COLOUR", "a setting's variable is its path in the file, as in WARREN_HTTP_PORT"),
    ])
  func misspelt(variable: String, hint: String) {
    #expect(
      problems(fullExample, [variable: "s3cret"]) == [
        "\(variable): there is no such setting; \(hint)"
      ])
  }

  @Test("of types and queues are not blamed for a file that could not be read whole")
  func variablesOfAWrongFile() {
    let found = problems(
      "queues: {a b: {}}", ["WARREN_QUEUES_OTHER_CAPACITY": "1", "WARREN_STOER": "x"])
    #expect(found.count == 2)
    #expect(found.last == "WARREN_STOER: there is no such setting; did you mean WARREN_STORE?")
  }

  @Test("of a type whose name has colons have underscores there")
  func colons() throws {
    let configuration = try parsed(
      """
      groups: {media: {queue: compute}}
      types: [{name: "video:hd", group: media, command: [a]}]
      """, ["WARREN_TYPES_MEDIA_VIDEO_HD_TIMEOUT": "4s"])
    let type = try #require(configuration.types.first)
    #expect(type.description.id.description == "media:video:hd")
    #expect(type.description.timeout == .seconds(4))
  }
}
