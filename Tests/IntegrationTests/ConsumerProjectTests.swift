import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// What somebody has who begins with the README: a package of his own, which depends on the checkout.
  @Suite("A project outside the repository")
  struct ConsumerProjectTests {
    /// The lines of a manifest that the README shows: the dependency, and the products.
    private func manifest() throws -> (dependency: String, products: [String: String]) {
      let readme = try String(
        contentsOf: WarrenSystem.root.appending(path: "README.md"), encoding: .utf8)
      let lines = readme.split(separator: "\n").map { $0.split(separator: "//")[0] }
        .map { $0.trimmingCharacters(in: [" ", ","]) }
      let dependency = try #require(lines.first { $0.hasPrefix(".package(path:") })
      let products = lines.filter { $0.hasPrefix(".product(") }
      return (
        dependency,
        Dictionary(
          uniqueKeysWithValues: try products.map { line in
            (String(try #require(line.firstMatch(of: /name: "(\w+)"/)).1), line)
          })
      )
    }

    private func copy(_ example: String, to target: String, of project: URL) throws {
      let sources = project.appending(path: "Sources/\(target)")
      try FileManager.default.createDirectory(
        at: sources.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        at: WarrenSystem.root.appending(path: "docs/examples/\(example)"), to: sources)
    }

    @Test("builds with the README's lines alone, and its producer gets what its consumer made")
    func outside() async throws {
      try await WarrenSystem.run(workers: 0, ownBroker: true) { system in
        let (dependency, products) = try manifest()
        let (warren, jobs) = (try #require(products["Warren"]), try #require(products["Jobs"]))
        let project = system.folder.appending(path: "Outside")
        // The checkout beside it, as the README has it.
        try FileManager.default.createSymbolicLink(
          at: system.folder.appending(path: "warren"), withDestinationURL: WarrenSystem.root)
        try copy("Words", to: "WordJobs", of: project)
        try copy("Consumer", to: "WordService", of: project)
        try copy("Producer", to: "Producer", of: project)
        try Data(
          """
          // swift-tools-version: 6.2
          import PackageDescription

          let package = Package(
            name: "outside",
            dependencies: [\(dependency)],
            targets: [
              .target(name: "WordJobs", dependencies: [\(jobs)]),
              .executableTarget(name: "WordService", dependencies: ["WordJobs", \(warren)]),
              .executableTarget(name: "Producer", dependencies: ["WordJobs", \(warren)]),
            ])
          """.utf8
        ).write(to: project.appending(path: "Package.swift"))

        let start = ContinuousClock.now
        let build = try await system.run(
          "/usr/bin/env", ["swift", "build", "--package-path", project.path],
          within: .seconds(1200))
        print("a consumer's first build took \(start.duration(to: .now))")
        try #require(build.exitCode == 0, "\(build.output.suffix(4_000))")
        // What is wrong with somebody else's package is not ours.
        let ours = build.output.split(separator: "\n").filter { line in
          line.contains("warning:")
            && (line.hasPrefix(project.path) || line.hasPrefix(WarrenSystem.root.path + "/Sources"))
        }
        #expect(ours.isEmpty, "\(ours)")

        let text = system.folder.appending(path: "text.txt")
        try Data("the cat and\nthe dog and the hen\n".utf8).write(to: text)
        let programs = project.appending(path: ".build/debug")
        try await system.startWorker(programs.appending(path: "WordService").path, [])
        let producer = try await system.run(
          programs.appending(path: "Producer").path, [text.path])
        #expect(producer.exitCode == 0, "\(producer.output)")
        #expect(
          producer.output.contains("8 words, most of them the, and, cat"), "\(producer.output)")
      }
    }
  }
}
