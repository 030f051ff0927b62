import Foundation
import Testing

@Suite("The table of parity")
struct ParityTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The cells of each row.
  private static func rows() throws -> [[String]] {
    try parity().split(separator: "\n").filter { $0.hasPrefix("| `") }
      .map { row in
        row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      }
  }

  private static func parity() throws -> String {
    try String(contentsOf: root.appending(path: "docs/parity.md"), encoding: .utf8)
  }

  /// The test functions of all suites, as `Suite/function`.
  private static func tests() throws -> Set<String> {
    let files = FileManager.default.enumerator(
      at: root.appending(path: "Tests"), includingPropertiesForKeys: nil)
    var tests: Set<String> = []
    for case let file as URL in files ?? .init() where file.path.hasSuffix("Tests.swift") {
      let suite = file.deletingPathExtension().lastPathComponent
      let text = try String(contentsOf: file, encoding: .utf8)
      for test in text.matches(of: /@Test[^@]*?func (\w+)/) { tests.insert("\(suite)/\(test.1)") }
    }
    return tests
  }

  @Test("every exported name of the reference has one row, and no other has")
  func names() throws {
    let names = try Self.rows().map { String($0[0].dropFirst().dropLast()) }
    #expect(names.count == Set(names).count)
    #expect(Set(ReferenceNames.all).symmetricDifference(names) == [])
  }

  @Test("every row says what it is, and names tests that are there")
  func tests() throws {
    let tests = try Self.tests()
    for row in try Self.rows() {
      try #require(row.count == 3, "\(row)")
      #expect(!row[1].isEmpty, "\(row)")
      let named = row[2].split(separator: ", ").map { String($0.dropFirst().dropLast()) }
      #expect(!named.isEmpty, "no test shows \(row[0])")
      for name in named { #expect(tests.contains(name), "\(name) of \(row[0])") }
    }
  }

  @Test("every file that it links to is there")
  func links() throws {
    for match in try Self.parity().matches(of: /\]\(([^)]+)\)/) {
      let path = Self.root.appending(path: "docs").appending(path: String(match.1)).standardized
      #expect(FileManager.default.fileExists(atPath: path.path), "\(match.1)")
    }
  }
}
