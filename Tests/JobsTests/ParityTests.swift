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

  /// The bodies of the test functions of all suites, by `Suite/function`; what a suite's tests share counts as theirs.
  private static func tests() throws -> [String: Substring] {
    let files = FileManager.default.enumerator(
      at: root.appending(path: "Tests"), includingPropertiesForKeys: nil)
    var tests: [String: Substring] = [:]
    for case let file as URL in files ?? .init() where file.path.hasSuffix("Tests.swift") {
      let suite = file.deletingPathExtension().lastPathComponent
      let text = try String(contentsOf: file, encoding: .utf8)
      let starts = text.ranges(of: "@Test").map(\.lowerBound)
      for (start, end) in zip(starts, starts.dropFirst() + [text.endIndex]) {
        let test = text[start..<end]
        guard let name = test.firstMatch(of: /func (\w+)/) else { continue }
        tests["\(suite)/\(name.1)"] = test
      }
    }
    return tests
  }

  /// What a user of the reference would be surprised by, and a word of what its row has to say of it.
  private static let differences: [(name: String, says: String)] = [
    ("NewJob", "422"), ("JobAPI.APIScheduleJob", "422"), ("JEDeleteJob", "404"),
    ("JobAPI.APIDeleteJob", "404"), ("JEResumeJob", "runs already"),
    ("JobObj.GetETA", "after the end"),
    ("Job.ETAMs", "`null`"), ("JobObj.GetTimeoutSec", "wins"), ("Job.TimeoutSec", "wins"),
    ("JobWorkerResumeCallback", "`suspended`"), ("JobObj.GetError", "retry"),
    ("Job.Error", "retry"),
    ("JobObj.GetTenantID", "zeros"), ("Job.TenantID", "zeros"),
    ("JobObj.SetRetryPolicy", "refused over HTTP"), ("Job.MaxRetries", "negative"),
    ("JobGroupSeparator", "group's has none"),
  ]
  private static let mark = "*Differs:*"

  @Test("every exported name of the reference has one row, and no other has")
  func names() throws {
    let names = try Self.rows().map { String($0[0].dropFirst().dropLast()) }
    #expect(names.count == Set(names).count)
    #expect(Set(ReferenceNames.all).symmetricDifference(names) == [])
  }

  @Test("every row says what it is, and names tests that are there and expect something")
  func tests() throws {
    let tests = try Self.tests()
    for row in try Self.rows() {
      try #require(row.count == 3, "\(row)")
      #expect(!row[1].isEmpty, "\(row)")
      let named = row[2].split(separator: ", ").map { String($0.dropFirst().dropLast()) }
      #expect(!named.isEmpty, "no test shows \(row[0])")
      #expect(Set(named).count == named.count, "\(row[0]) names a test twice")
      for name in named {
        let body = try #require(tests[name], "\(name) of \(row[0])")
        #expect(
          body.contains(/#expect|#require|Issue\.record|eventually\(|underLoad/),
          "\(name) of \(row[0]) expects nothing")
        #expect(!body.contains(".disabled("), "\(name) of \(row[0]) is never run")
      }
    }
  }

  @Test("every known difference is in its row with a reason, and no other row claims one")
  func differences() throws {
    let rows = Dictionary(
      try Self.rows().map { (String($0[0].dropFirst().dropLast()), $0[1]) },
      uniquingKeysWith: { first, _ in first })
    for (name, says) in Self.differences {
      let parts = try #require(rows[name], "\(name)").components(separatedBy: Self.mark)
      try #require(parts.count == 2, "\(name) does not say once in what it differs")
      #expect(parts[1].contains(says), "\(name): \(parts[1])")
      #expect(parts[1].contains(/so that|since|as at `/), "\(name) gives no reason: \(parts[1])")
    }
    let claimed = rows.filter { $0.value.contains(Self.mark) }.keys
    #expect(Set(claimed).symmetricDifference(Self.differences.map(\.name)) == [])
  }

  @Test("what a link names is declared in the file that it leads to")
  func symbols() throws {
    for row in try Self.rows() {
      for match in row[1].matches(of: /\[`([A-Za-z.]+)[^`]*`\]\(([^)]+\.swift)\)/) {
        let path = Self.root.appending(path: "docs").appending(path: String(match.2)).standardized
        let text = try String(contentsOf: path, encoding: .utf8)
        // `Job.retry.delay` is declared where `Job.retry` is.
        for name in match.1.split(separator: ".").prefix(2) {
          let isThere = try Regex(#"\b\#(name)\b"#)
          #expect(text.contains(isThere), "\(match.1) of \(row[0]) in \(match.2)")
        }
      }
    }
  }

  @Test("every request is one of the HTTP contract")
  func requests() throws {
    let contract = try String(
      contentsOf: Self.root.appending(path: "docs/http.md"), encoding: .utf8)
    for row in try Self.rows() {
      for match in row[1].matches(of: /`((?:GET|POST|DELETE) [^`?]+)/) {
        #expect(contract.contains("`\(match.1)"), "\(match.1) of \(row[0])")
      }
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
