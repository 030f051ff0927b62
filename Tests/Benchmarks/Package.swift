// swift-tools-version: 6.2

// A package of its own, so that nobody who uses Warren builds its benchmarks.

import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "warren-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "warren", path: "../.."),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
  ],
  targets: [
    // What a C program does with librabbitmq, and what a Swift program does with AMQP.
    .executableTarget(name: "amqp-c", linkerSettings: [.linkedLibrary("rabbitmq")]),
    .executableTarget(
      name: "amqp-swift",
      dependencies: [
        .product(name: "AMQP", package: "warren"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    // Runs both, in turn, and compares.
    .executableTarget(
      name: "amqp-benchmark",
      dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: strict),
  ]
)
