import Foundation
import Testing

/// Whatever Swift the documentation shows stands in a file that is compiled.
@Suite("The documentation's Swift")
struct DocumentationTests {
  private static let root = (0..<3).reduce(URL(filePath: #filePath)) { url, _ in
    url.deletingLastPathComponent()
  }

  private static func files(_ folders: [String], endingIn end: String) throws -> [URL] {
    try folders.flatMap { folder in
      let folder = root.appending(path: folder)
      return try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(end) }.map { folder.appending(path: $0) }
    }
  }

  private struct Block {
    let place: String
    let lines: [String]
  }

  /// The blocks marked as Swift, in Markdown and in the doc comments of code.
  private static func blocks() throws -> [Block] {
    let pages =
      [root.appending(path: "README.md")] + (try files(["docs", "Sources"], endingIn: ".md"))
    return try (pages + files(["Sources"], endingIn: ".swift")).flatMap { file in
      let isCode = file.pathExtension == "swift"
      var blocks: [Block] = []
      var open: [String]?
      for (number, line) in try String(contentsOf: file, encoding: .utf8)
        .split(separator: "\n", omittingEmptySubsequences: false).enumerated()
      {
        var line = line.trimmingCharacters(in: .whitespaces)
        if isCode {
          guard line.hasPrefix("///") else { continue }
          line = line.dropFirst(3).trimmingCharacters(in: .whitespaces)
        }
        switch (line, open) {
        case ("```swift", nil): open = []
        case ("```", let lines?):
          let place = file.path.dropFirst(root.path.count + 1)
          blocks.append(Block(place: "\(place), before line \(number + 1)", lines: lines))
          open = nil
        case (_, let lines?): open = lines + [line]
        default: break
        }
      }
      return blocks
    }
  }

  /// Without what differs between a page and a file: spaces, comments, who may see it.
  private static func bare(_ lines: [String]) -> String {
    lines.map { line in
      var line = line
      if let comment = line.firstRange(of: #/(^|\s)//.*$/#) { line.removeSubrange(comment) }
      return line.replacing(#/\b(public|private) /#, with: "").replacing(#/\s/#, with: "")
    }.joined()
  }

  /// What is left out, `…`, may be anything.
  private static func shows(_ block: [String], in file: String) -> Bool {
    var rest = file[...]
    for piece in bare(block).split(separator: "…") {
      guard let place = rest.firstRange(of: piece) else { return false }
      rest = rest[place.upperBound...]
    }
    return true
  }

  @Test("is compiled")
  func compiled() throws {
    let compiled = try Self.files(["docs/examples", "Tests/ExampleTests"], endingIn: ".swift")
      .filter { $0.lastPathComponent != "DocumentationTests.swift" }
      .map { file in
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        return Self.bare(lines.map { $0.trimmingCharacters(in: .whitespaces) })
      }
    let blocks = try Self.blocks()
    #expect(blocks.count > 20)
    for block in blocks {
      // Of a manifest: a test builds a package with it.
      if block.lines.first?.hasPrefix(".package(") == true { continue }
      let imports = block.lines.filter { $0.contains(#/^(public )?import /#) }
      let code = block.lines.filter { !imports.contains($0) }
      #expect(
        compiled.contains { file in
          Self.shows(code, in: file)
            && imports.allSatisfy { file.contains(Self.bare([$0])) }
        }, "\(block.place) is in no file that is compiled: \(code.joined(separator: "\n"))")
    }
  }

  @Test("of the README is short: 15 lines for a consumer, 4 for a producer")
  func short() throws {
    func lines(_ file: String) throws -> [Substring] {
      try String(contentsOf: Self.root.appending(path: "docs/examples/\(file)"), encoding: .utf8)
        .split(separator: "\n").filter { !$0.hasPrefix("import ") }
    }
    #expect(try lines("Consumer/main.swift").count <= 15)
    #expect(try lines("Producer/main.swift").count <= 4)
  }
}
