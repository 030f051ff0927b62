// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")

// Linux only: the broker's client rests on eventfd, the shepherd on Linux' process calls.
let package = Package(
  name: "warren",
  products: [
    // For consumer services and producers, for the types that they share, and for their tests.
    .library(name: "Warren", targets: ["Warren"]),
    .library(name: "Jobs", targets: ["Jobs"]),
    .library(name: "WarrenTesting", targets: ["WarrenTesting"]),
    // The server's HTTP API, without the broker's client.
    .library(name: "JobClient", targets: ["JobClient"]),
    // The broker's client by itself.
    .library(name: "AMQP", targets: ["AMQP"]),
    .executable(name: "warren", targets: ["WarrenCommand"]),
    .executable(name: "warren-shepherd", targets: ["warren-shepherd"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.2.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/ordo-one/TextTable", from: "0.0.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.9.0"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
  ],
  targets: [
    // The broker: librabbitmq, fenced into one module that knows nothing of jobs.
    .systemLibrary(
      name: "CRabbitMQ", pkgConfig: "librabbitmq",
      providers: [.apt(["librabbitmq-dev", "libssl-dev"])]),
    .target(name: "AMQP", dependencies: ["CRabbitMQ", logging], swiftSettings: strict),

    // The domain, pure; and how it travels over the broker.
    .target(name: "Jobs", dependencies: [logging], swiftSettings: strict),
    .target(
      name: "JobTransport",
      dependencies: [
        "AMQP", "Jobs", logging, lifecycle,
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Wire/wire.proto"], swiftSettings: strict),

    // The server side.
    .target(
      name: "JobStore",
      dependencies: ["Jobs", logging, .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    // The same by the lifecycle's pure functions alone: for tests.
    .target(name: "JobMemoryStore", dependencies: ["Jobs"], swiftSettings: strict),
    // The description of the HTTP API, which the server has within it, and the page that is made of it.
    .target(name: "CAPIDocument"),
    .target(
      name: "APIDocument",
      dependencies: [
        "CAPIDocument", "Jobs", "Yams", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Mustache", package: "swift-mustache"),
      ],
      swiftSettings: strict),
    .target(
      name: "JobServer",
      dependencies: [
        "AMQP", "APIDocument", "Jobs", "JobStore", "JobTransport", logging, lifecycle,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "RawStructuredFieldValues", package: "swift-http-structured-headers"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: strict),

    // Sends the ends of jobs to webhook endpoints.
    .target(
      name: "JobWebhooks",
      dependencies: [
        "Jobs", logging, lifecycle,
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),

    // The worker side; warren-shepherd stands between a worker and the programs that it runs, CProcess
    // is what Swift cannot call.
    .executableTarget(name: "warren-shepherd"),
    .target(name: "CProcess"),
    .target(
      name: "JobWorker",
      dependencies: [
        "AMQP", "CProcess", "Jobs", "JobTransport", logging, lifecycle,
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),

    // What consumer services and producers in Swift use; and what their tests use.
    .target(
      name: "Warren",
      dependencies: [
        "AMQP", "JobTransport", "JobWorker", "Jobs", logging, lifecycle,
        .product(name: "CoreMetrics", package: "swift-metrics"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
      ],
      swiftSettings: strict),
    .target(
      name: "WarrenTesting",
      dependencies: ["JobMemoryStore", "JobWorker", "Jobs", "Warren", logging],
      swiftSettings: strict),

    // The HTTP client, the config file, and the command line that composes everything.
    .target(
      name: "JobClient",
      dependencies: [
        "Jobs",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .target(name: "JobConfig", dependencies: ["Jobs", "Yams", logging], swiftSettings: strict),
    .executableTarget(
      name: "WarrenCommand",
      dependencies: [
        "AMQP", "JobClient", "JobConfig", "Jobs", "JobServer", "JobStore", "JobTransport",
        "JobWebhooks", "JobWorker", "Warren",
        "warren-shepherd", logging, lifecycle,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "TextTable", package: "TextTable"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),

    // The examples, so that they compile; tests run them. They see no more than a package of somebody else's does. WordJobs has what
    // producer and consumer share, Snippets what only the documentation shows.
    .target(
      name: "WordJobs", dependencies: ["Jobs"], path: "docs/examples/Words", packageAccess: false,
      swiftSettings: strict),
    .executableTarget(
      name: "WordService", dependencies: ["Warren", "WordJobs"], path: "docs/examples/Consumer",
      packageAccess: false, swiftSettings: strict),
    .executableTarget(
      name: "Producer", dependencies: ["Warren", "WordJobs"], path: "docs/examples/Producer",
      packageAccess: false, swiftSettings: strict),
    .executableTarget(
      name: "Web",
      dependencies: [
        "Warren", "WordJobs", logging, .product(name: "Hummingbird", package: "hummingbird"),
      ],
      path: "docs/examples/Web", packageAccess: false, swiftSettings: strict),
    .target(
      name: "ContactJobs", dependencies: ["Jobs", logging], path: "docs/examples/Contacts",
      packageAccess: false, swiftSettings: strict),
    .target(
      name: "Snippets",
      dependencies: [
        "AMQP", "ContactJobs", "JobClient", "Jobs", "Warren", "WordJobs", logging, lifecycle,
      ],
      path: "docs/examples/Snippets", packageAccess: false, swiftSettings: strict),

    // The examples of the AMQP client, which needs nothing of Warren.
    .executableTarget(
      name: "AMQPPublish", dependencies: ["AMQP", logging], path: "docs/examples/AMQP/Publish",
      swiftSettings: strict),
    .executableTarget(
      name: "AMQPConsume", dependencies: ["AMQP", logging], path: "docs/examples/AMQP/Consume",
      swiftSettings: strict),
    .executableTarget(
      name: "AMQPRequest", dependencies: ["AMQP", logging], path: "docs/examples/AMQP/Request",
      swiftSettings: strict),

    // Tests: one target per module; TestSupport has the broker that they run against,
    // FakeAPI a server without jobs.
    .target(
      name: "TestSupport",
      dependencies: [
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "AMQPTests",
      dependencies: [
        "AMQP", "TestSupport", logging, .product(name: "InMemoryLogging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobsTests",
      dependencies: [
        "Jobs", "TestSupport", logging, .product(name: "InMemoryLogging", package: "swift-log"),
      ],
      exclude: ["JSONSchemaTestSuite"], swiftSettings: strict),
    .testTarget(
      name: "JobTransportTests", dependencies: ["AMQP", "Jobs", "JobTransport", logging],
      swiftSettings: strict),
    .testTarget(
      name: "JobStoreTests",
      dependencies: [
        "JobMemoryStore", "JobStore", "Jobs", logging,
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobServerTests",
      dependencies: [
        "AMQP", "APIDocument", "Jobs", "JobServer", "JobStore", "JobTransport", "TestSupport",
        logging,
        lifecycle,
        .product(name: "InMemoryLogging", package: "swift-log"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "HummingbirdTesting", package: "hummingbird"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobWorkerTests",
      dependencies: [
        "AMQP", "CProcess", "JobTransport", "JobWorker", "Jobs", "TestSupport", "warren-shepherd",
        logging,
        lifecycle, .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobWebhooksTests",
      dependencies: [
        "JobWebhooks", "Jobs", logging,
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdTesting", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "JobConfigTests", dependencies: ["JobConfig", "Jobs", logging], swiftSettings: strict),
    .target(
      name: "FakeAPI",
      dependencies: [
        "Jobs", logging, lifecycle,
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      path: "Tests/FakeAPI", swiftSettings: strict),
    .testTarget(
      name: "JobClientTests",
      dependencies: ["FakeAPI", "JobClient", "Jobs", "TestSupport", logging],
      swiftSettings: strict),
    .testTarget(
      name: "WarrenServiceTests",
      dependencies: [
        "AMQP", "JobTransport", "Jobs", "TestSupport", "Warren", logging, lifecycle,
        .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "WarrenTestingTests", dependencies: ["Jobs", "Warren", "WarrenTesting", logging],
      swiftSettings: strict),
    .testTarget(
      name: "ExampleTests",
      dependencies: [
        "ContactJobs", "Jobs", "Snippets", "WarrenTesting", "WordJobs", "WordService",
      ],
      packageAccess: false, swiftSettings: strict),
    .testTarget(
      name: "WarrenTests",
      dependencies: [
        "FakeAPI", "JobClient", "JobConfig", "JobStore", "JobTransport", "Jobs", "TestSupport",
        "WarrenCommand",
        logging, .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "FuzzTests",
      dependencies: ["AMQP", "JobConfig", "Jobs", "JobTransport", "JobWorker", "TestSupport"],
      exclude: ["Corpus"], swiftSettings: strict),
    // CostMeter counts the memory that its process asks for: CAllocations must be linked into nothing else, not even into
    // the tests that run it.
    .target(name: "CAllocations", path: "Tests/CAllocations"),
    .executableTarget(
      name: "CostMeter",
      dependencies: [
        "AMQP", "CAllocations", "JobStore", "JobTransport", "JobWorker", "Jobs", "TestSupport",
        logging, .product(name: "GRDB", package: "GRDB.swift"),
      ],
      path: "Tests/CostMeter", swiftSettings: strict),
    .testTarget(name: "CostTests", dependencies: ["TestSupport"], swiftSettings: strict),
    .executableTarget(
      name: "LifeWorker", dependencies: ["Jobs", "Warren", logging], path: "Tests/LifeWorker",
      swiftSettings: strict),
    .executableTarget(
      name: "TracedWorker",
      dependencies: [
        "Warren", logging, .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
        .product(name: "Tracing", package: "swift-distributed-tracing"),
      ],
      path: "Tests/TracedWorker", swiftSettings: strict),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "AMQPConsume", "AMQPPublish", "AMQPRequest", "JobClient", "Jobs", "LifeWorker", "Producer",
        "TestSupport", "TracedWorker", "Warren", "WarrenCommand", "Web", "WordService",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOFoundationCompat", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: strict),
  ]
)
