import Foundation
import Testing

@testable import Jobs

@Suite("Idempotency keys")
struct IdempotencyKeyTests {
  @Test("a text that is a UUID is that UUID, in either case")
  func uuids() throws {
    let uuid = UUID()
    for text in [uuid.uuidString, uuid.uuidString.lowercased()] {
      #expect(try IdempotencyKey(text).uuid == uuid)
    }
    #expect(IdempotencyKey(uuid: uuid).description == uuid.uuidString.lowercased())
    #expect(IdempotencyKey.unique() != .unique())
  }

  /// What Python's `uuid.uuid5(uuid.UUID("9754dd5e-db9e-42ab-b8a4-4b5c8b358b81"), text)` says.
  @Test(
    "any other text is what other languages make of it",
    arguments: [
      ("a", "43e0c1dc-8801-5e69-af9d-51253c1557ad"),
      ("order-4711", "0e2b35a5-f29f-5062-924b-93988ddb4058"),
      ("order 7/ä", "00ebe705-f6fe-5935-82a3-564e9916a742"),
      ("日本語 🐇", "3e4c8e7d-cb0b-5f8b-8b52-105d2c1df0bf"),
      (String(repeating: "x", count: 255), "a2bc23a7-a5f1-5df2-a3f4-5dae582d2f83"),
      ("9754dd5edb9e42abb8a44b5c8b358b81", "fd3d6480-3fb9-5fb5-a904-110f212fdfe6"),
      (" ", "2c044bbf-7773-5d42-9973-15546315b4f6"),
    ])
  func texts(text: String, uuid: String) throws {
    #expect(try IdempotencyKey(text).description == uuid)
    #expect(IdempotencyKey(stringLiteral: text).description == uuid)
  }

  @Test("a derived key is the same each time, and another than what it is derived from")
  func derived() {
    let key: IdempotencyKey = "order-4711"
    #expect(key.derived("mail") == key.derived("mail"))
    #expect(Set([key, key.derived("mail"), key.derived("print")]).count == 3)
  }

  @Test("the namespace is the documented one")
  func namespace() {
    #expect(
      IdempotencyKey.namespace == UUID(uuidString: "9754dd5e-db9e-42ab-b8a4-4b5c8b358b81"))
  }

  @Test("one that is empty or too long is refused, with the limit", arguments: [0, 256, 100_000])
  func refusals(length: Int) throws {
    let text = String(repeating: "x", count: length)
    let error = try #require(throws: NameError.self) { try IdempotencyKey(text) }
    #expect(error.description.contains("1 to 255 bytes"))
    #expect(error.description.contains(length == 0 ? "empty" : "\(length) bytes"))
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([IdempotencyKey].self, from: Data(#"["\#(text)"]"#.utf8))
    }
  }

  @Test("bytes count, not characters")
  func bytes() throws {
    #expect(throws: Never.self) { try IdempotencyKey(String(repeating: "ä", count: 127)) }
    #expect(throws: NameError.self) { try IdempotencyKey(String(repeating: "ä", count: 128)) }
  }

  @Test("is written as a text, and read back")
  func coding() throws {
    let keys: [IdempotencyKey] = ["order-4711", .unique()]
    let data = try JSONEncoder().encode(keys)
    #expect(try JSONDecoder().decode([String].self, from: data) == keys.map(\.description))
    #expect(try JSONDecoder().decode([IdempotencyKey].self, from: data) == keys)
    #expect(
      try JSONDecoder().decode([IdempotencyKey].self, from: Data(#"["order-4711"]"#.utf8))
        == ["order-4711"])
  }
}

@Suite("SHA-1 and UUIDs of version 5")
struct SHA1Tests {
  /// The examples of FIPS 180, and NIST's own for a byte of each side of a block's end.
  @Test(
    "hashes as FIPS 180 says",
    arguments: [
      ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
      ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
      ),
      (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "a49b2446a02c645bf419f995b67091253a04a259"
      ),
      (String(repeating: "a", count: 1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    ])
  func vectors(message: String, hash: String) {
    #expect(hex(SHA1.digest(of: Array(message.utf8))) == hash)
  }

  /// What Python's `hashlib` says of so many letters "a".
  @Test(
    "pads every length around a block's end",
    arguments: [
      (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
      (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
      (57, "f08f24908d682555111be7ff6f004e78283d989a"),
      (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
      (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
      (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
      (119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
      (120, "f34c1488385346a55709ba056ddd08280dd4c6d6"),
    ])
  func padding(length: Int, hash: String) {
    #expect(hex(SHA1.digest(of: Array(repeating: UInt8(ascii: "a"), count: length))) == hash)
  }

  /// RFC 9562, appendix A.4.
  @Test("a UUID of version 5 is as in the RFC's example")
  func example() throws {
    let dns = try #require(UUID(uuidString: "6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    #expect(
      UUID.version5(of: "www.example.com".utf8, in: dns)
        == UUID(uuidString: "2ed6657d-e927-568b-95e1-2665a8aea6a2"))
  }

  private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
  }
}
