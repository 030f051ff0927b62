import ArgumentParser
import FakeAPI
import Foundation
import JobStore
import Jobs
import Testing

@testable import WarrenCommand

@Suite("warren token, whoami and audit", .timeLimit(.minutes(2)))
struct TokenCommandTests {
  private static func with(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-tokens-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder.appending(path: "warren.sqlite").path)
  }

  @Test("the first token is made in the file, printed alone, and listed and revoked there")
  func file() async throws {
    try await Self.with { path in
      let created = try await WarrenProcess.run([
        "token", "create", "root", "--role", "admin", "--all-tenants", "--expires", "90d",
        "--store",
        path,
      ])
      #expect(created.status == 0, "\(created.error)")
      #expect(created.output.contains(/^wrn_[A-Za-z0-9_-]{43}\n$/))
      #expect(created.error.contains("role admin, all tenants, until 2"))
      #expect(!created.error.contains("wrn_"))

      let again = try await WarrenProcess.run([
        "token", "create", "root", "--role", "read", "--all-tenants", "--store", path,
      ])
      #expect(again.status == ExitStatus.usage.rawValue)
      #expect(again.error.contains("'root'"))

      let list = try await WarrenProcess.run(["token", "list", "--store", path, "--json"])
      let tokens = try JSONDecoder().decode(TokenList.self, from: Data(list.output.utf8)).tokens
      #expect(tokens.map(\.name) == ["root"])
      #expect(tokens[0].tenant == .every)
      #expect(tokens[0].role == .admin)
      #expect(!list.output.contains("wrn_"))

      let id = tokens[0].id.uuidString
      let revoked = try await WarrenProcess.run(["token", "revoke", id, "--store", path])
      #expect(revoked.output == "token root is revoked\n")
      let after = try await WarrenProcess.run(["token", "list", "--store", path])
      #expect(after.output == "there are no tokens\n")
      let all = try await WarrenProcess.run(["token", "list", "--all", "--store", path])
      #expect(all.output.contains("revoked"))
      let none = try await WarrenProcess.run([
        "token", "revoke", UUID().uuidString, "--store", path,
      ])
      #expect(none.status == ExitStatus.usage.rawValue)
    }
  }

  @Test(
    "of a command line that is wrong it is said what would be right",
    arguments: [
      (["create", "x", "--role", "root", "--store", "f"], "read, write, operate, admin"),
      (["create", "x", "--role", "read", "--store", "f"], "--tenant, or --all-tenants"),
      (["create", "", "--role", "read", "--all-tenants"], "name"),
      (["create", "x", "--role", "read", "--type", "a b"], "files:*"),
      (["create", "x", "--role", "read", "--expires", "0s"], "--expires"),
      (
        [
          "create", "x", "--role", "read", "--all-tenants", "--tenant",
          "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        ], "exclude each other"
      ), (["list", "--store", "a", "--config", "b"], "exclude each other"),
      (["revoke", "ci"], "UUID"),
    ])
  func wrong(arguments: [String], what: String) throws {
    let error = #expect(throws: (any Error).self) { try Warren.parseAsRoot(["token"] + arguments) }
    if let error {
      #expect(Warren.fullMessage(for: error).contains(what), "\(Warren.fullMessage(for: error))")
    }
  }

  @Test("the server is asked with the token that the environment has, which nothing shows")
  func server() async throws {
    let secret = "wrn_secret-of-the-environment"
    let token = APIToken(
      id: UUID(), name: "ci", tenant: .one(.zero), role: .write,
      types: [NamePattern("files:*")].compactMap(\.self), createdAt: .now, createdBy: "token root")
    let caller = CallerDescription(
      authentication: "token", name: "root\u{1B}[2J", tenant: .every, requestTenant: .zero,
      requestUser: .zero, role: .admin, types: [], queues: [], expiresAt: nil)
    let entry = AuditEntry(
      number: 7, at: .now, principal: "token root", tenantID: .zero, userID: .zero, role: .admin,
      action: "POST /prune", status: 200)
    try await FakeAPI { call in
      switch (call.method, call.target.prefix { $0 != "?" }) {
      case ("POST", "/tokens"): try .json(201, IssuedToken(secret: "wrn_new", token: token))
      case ("GET", "/tokens"): try .json(200, TokenList(tokens: [token]))
      case ("DELETE", _): try .json(200, token)
      case (_, "/whoami"): try .json(200, caller)
      default: try .json(200, AuditPage(entries: [entry], next: 7))
      }
    }.serve { api in
      let environment = ["WARREN_SERVER": api.url, "WARREN_TOKEN": secret]
      func run(_ arguments: String...) async throws -> WarrenProcess.Ended {
        let ended = try await WarrenProcess.run(arguments, environment: environment)
        #expect(ended.status == 0, "\(ended.error)")
        #expect(!(ended.output + ended.error).contains(secret))
        return ended
      }
      let created = try await run(
        "token", "create", "ci", "--role", "write", "--type", "files:*", "--queue", "compute")
      #expect(created.output == "wrn_new\n")
      let post = try #require(api.calls.first { $0.method == "POST" })
      let body = try JSONDecoder().decode(TokenRequest.self, from: Data(post.body.utf8))
      #expect(body.name == "ci" && body.role == .write && body.tenant == nil)
      #expect(body.types.map(\.description) == ["files:*"])
      #expect(body.queues.map(\.description) == ["compute"])
      #expect(try await run("token", "list").output.contains("files:*"))
      #expect(
        try await run("token", "revoke", token.id.uuidString).output == "token ci is revoked\n")
      let who = try await run("whoami").output
      #expect(who.contains("speaks for all tenants") && !who.contains("\u{1B}"))
      let audit = try await run("audit", "--refused", "--action", "POST /prune")
      #expect(audit.output.contains("POST /prune"))
      #expect(audit.output.hasSuffix("more with --before 7\n"))
      let get = try #require(api.calls.last)
      #expect(get.target.contains("refused=true"))
      #expect(get.target.contains("action=POST%20%2Fprune"))
    }
  }
}
