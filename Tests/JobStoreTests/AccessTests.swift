import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite(.timeLimit(.minutes(3))) struct AccessTests {
  private static func token(
    _ name: String, tenant: TenantAccess = .every, types: [String] = []
  ) -> APIToken {
    APIToken(
      id: .version7(), name: name, tenant: tenant, user: UUID(), role: .operate,
      types: types.compactMap(NamePattern.init), queues: [], createdAt: .start,
      createdBy: "the test", expiresAt: .start + .seconds(60))
  }

  private static func hash(_ byte: UInt8) -> Data { Data(repeating: byte, count: 32) }

  @Test func aTokenIsReadBackAsItWasStored() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let tenant = UUID()
      let token = Self.token("ci", tenant: .one(tenant), types: ["a:*", "*:b"])
      #expect(try await store.add(token, hash: Self.hash(1)))
      #expect(try await store.token(hash: Self.hash(1)) == token)
      #expect(try await store.token(hash: Self.hash(2)) == nil)
      #expect(try await store.tokens(of: tenant, limit: 9) == [token])
      #expect(try await store.tokens(of: UUID(), limit: 9).isEmpty)
      try await store.noteUse(of: [token.id: .start + .seconds(9), UUID(): .start])
      try await store.noteUse(of: [token.id: .start + .seconds(3)])
      #expect(try await store.token(hash: Self.hash(1))?.lastUsedAt == .start + .seconds(9))
    }
  }

  @Test func aNameIsTakenUntilItsTokenIsRevoked() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let tenant = UUID()
      let first = Self.token("ci", tenant: .one(tenant))
      #expect(try await store.add(first, hash: Self.hash(1)))
      #expect(try await !store.add(Self.token("ci", tenant: .one(tenant)), hash: Self.hash(2)))
      #expect(try await store.add(Self.token("ci", tenant: .one(UUID())), hash: Self.hash(3)))
      #expect(try await store.add(Self.token("ci"), hash: Self.hash(4)))
      #expect(try await !store.add(Self.token("ci"), hash: Self.hash(5)))
      // The same secret twice is no token either.
      #expect(try await !store.add(Self.token("other"), hash: Self.hash(4)))
      #expect(try await store.revokeToken(first.id, tenant: UUID(), at: .start) == nil)
      let revoked = try await store.revokeToken(first.id, tenant: tenant, at: .start)
      #expect(revoked?.revokedAt == .start)
      #expect(
        try await store.revokeToken(first.id, tenant: nil, at: .start + .seconds(1)) == revoked)
      #expect(try await store.add(Self.token("ci", tenant: .one(tenant)), hash: Self.hash(6)))
      #expect(try await store.revokeToken(UUID(), tenant: nil, at: .start) == nil)
    }
  }

  @Test func tokensAreMadeAndRevokedBesideAnOpenStore() async throws {
    try await withStore { fixture in
      let file = try TokenFile(path: fixture.folder.file())
      let token = Self.token("first")
      #expect(try file.add(token, hash: Self.hash(1)))
      #expect(try !file.add(Self.token("first"), hash: Self.hash(2)))
      #expect(try await fixture.store.token(hash: Self.hash(1)) == token)
      // The store goes on writing.
      _ = try await fixture.store.insert([try sampleJob()])
      #expect(try file.tokens() == [token])
      #expect(try file.revoke(token.id, at: .start)?.revokedAt == .start)
      #expect(try file.revoke(UUID(), at: .start) == nil)
      #expect(try await fixture.store.token(hash: Self.hash(1))?.revokedAt == .start)
      #expect(try await fixture.store.counts().map(\.count) == [1])
      #expect(
        try await fixture.store.audit(AuditQuery(limit: 9)).map(\.action)
          == ["DELETE /tokens/{id}", "POST /tokens"])
    }
  }

  @Test func theFirstTokenMakesTheFile() async throws {
    let folder = try TemporaryFolder()
    let token = Self.token("first")
    #expect(try TokenFile(path: folder.file()).add(token, hash: Self.hash(1)))
    let store = try StoreFixture.open(folder)
    #expect(try await store.token(hash: Self.hash(1)) == token)
    try store.close()
  }

  @Test func aFileThatIsNoStoreIsLeftAsItIs() throws {
    let folder = try TemporaryFolder()
    let text = Data(String(repeating: "not a database ", count: 100).utf8)
    try text.write(to: URL(filePath: folder.file()))
    #expect(throws: StoreFileError.self) { try TokenFile(path: folder.file()) }
    #expect(try Data(contentsOf: URL(filePath: folder.file())) == text)
    #expect(throws: StoreFileError.self) { try TokenFile(path: "/nowhere/at/all.sqlite") }
  }

  @Test func aDamagedTokenIsRefusedNotWidened() async throws {
    try await withStore { fixture in
      let token = Self.token("ci", types: ["a:*"])
      #expect(try await fixture.store.add(token, hash: Self.hash(1)))
      try await fixture.store.writes.write { transaction in
        try transaction.db.execute(sql: "UPDATE token SET types = 'a b['")
      }
      await #expect(throws: StoreError.self) {
        try await fixture.store.token(hash: Self.hash(1))
      }
    }
  }

  @Test func theAuditLogIsFilteredAndPruned() async throws {
    try await withStore { fixture in
      let store = fixture.store
      let tenant = UUID()
      let entries = (0..<6).map { (index: Int) -> AuditEntry in
        let who = index < 3 ? "token a" : "jwt b"
        let whose: UUID = index.isMultiple(of: 2) ? tenant : .zero
        return AuditEntry(
          at: Timestamp.start + Duration.seconds(index), principal: who, tenantID: whose,
          userID: UUID(), role: .write, action: "POST /prune", target: index == 0 ? "x\0y" : nil,
          params: "p\(index)", status: index == 5 ? 403 : 200)
      }
      try await store.append(entries)
      try await store.append([])
      func found(_ query: AuditQuery) async throws -> [String?] {
        try await store.audit(query).map(\.params)
      }
      #expect(try await found(AuditQuery(limit: 2)) == ["p5", "p4"])
      #expect(try await found(AuditQuery(tenant: tenant, limit: 9)) == ["p4", "p2", "p0"])
      #expect(try await found(AuditQuery(principal: "token a", limit: 9)) == ["p2", "p1", "p0"])
      #expect(try await found(AuditQuery(isRefused: true, limit: 9)) == ["p5"])
      #expect(try await found(AuditQuery(action: "x", limit: 9)).isEmpty)
      let numbers = try await store.audit(AuditQuery(limit: 9)).map(\.number)
      #expect(numbers == numbers.sorted(by: >))
      #expect(try await found(AuditQuery(before: numbers[3], limit: 9)) == ["p1", "p0"])
      #expect(try await store.pruneAudit(before: .start + .seconds(4), limit: 3) == 3)
      #expect(try await store.pruneAudit(before: .start + .seconds(4), limit: 3) == 1)
      #expect(try await found(AuditQuery(limit: 9)) == ["p5", "p4"])
    }
  }
}
