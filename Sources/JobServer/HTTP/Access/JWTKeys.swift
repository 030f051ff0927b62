import Dispatch
import Foundation
import JWTKit
import Jobs

/// Why a file of keys cannot be used.
package struct JWTKeysError: Error, CustomStringConvertible {
  package let description: String

  init(_ path: String, _ why: String) {
    description = "http.jwt.jwks: \(path): \(why)"
  }
}

/// The public keys of an issuer, by their id.
struct JWTKeys: Sendable {
  /// A key, and the one algorithm that it is for.
  struct Key: Sendable {
    let algorithm: String
    let collection: JWTKeyCollection
  }

  /// What tells that a file has changed.
  struct Stamp: Sendable, Hashable {
    let size: Int
    let modified: Date?
    let file: Int?
  }

  static let largestFile = 1 << 20
  static let mostKeys = 100
  /// Shorter ones are broken with some effort (NIST SP 800-57).
  static let fewestRSABits = 2048

  let stamp: Stamp?
  private let keys: [String: Key]

  /// - Parameter id: `nil` is the only one.
  func key(_ id: String?) -> Key? {
    if let id { return keys[id] }
    return keys.count == 1 ? keys.first?.value : nil
  }

  /// Reads a file, on a thread that may wait for the disk.
  static func read(_ path: String) async throws -> JWTKeys {
    let (stamp, bytes) = try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(
          with: Result { () throws -> (Stamp?, Data) in
            // The stamp before the text: a change in between is found with the next look.
            let stamp = currentStamp(of: path)
            let handle = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? handle.close() }
            return (stamp, try handle.read(upToCount: largestFile + 1) ?? Data())
          }.mapError { _ in JWTKeysError(path, "the file cannot be read") })
      }
    }
    guard bytes.count <= largestFile else {
      throw JWTKeysError(path, "the file has more than \(largestFile) bytes")
    }
    return try await JWTKeys(parsing: bytes, path: path, stamp: stamp)
  }

  static func stamp(of path: String) async -> Stamp? {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: currentStamp(of: path)) }
    }
  }

  private static func currentStamp(of path: String) -> Stamp? {
    guard let values = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
    return Stamp(
      size: values[.size] as? Int ?? 0, modified: values[.modificationDate] as? Date,
      file: values[.systemFileNumber] as? Int)
  }

  init(parsing bytes: Data, path: String, stamp: Stamp? = nil) async throws {
    self.stamp = stamp
    guard let value = try? JSONValue(parsing: bytes),
      case .array(let elements)? = value.members?["keys"]
    else { throw JWTKeysError(path, "it is no JSON Web Key Set, an object with an array keys") }
    guard elements.count <= Self.mostKeys else {
      throw JWTKeysError(path, "it has more than \(Self.mostKeys) keys")
    }
    var keys: [String: Key] = [:]
    for (index, element) in elements.enumerated() {
      guard let members = element.members, Self.isForSignatures(members) else { continue }
      let name = "key \(index + 1)"
      guard members["d"] == nil else {
        throw JWTKeysError(path, "\(name) is a private key; the server needs the public one alone")
      }
      let id = try Self.id(members, name, isOnly: elements.count == 1, path)
      guard keys[id] == nil else { throw JWTKeysError(path, "\(name) has the kid of another") }
      let algorithm = try Self.algorithm(members, name, path)
      keys[id] = Key(
        algorithm: algorithm,
        collection: try await Self.collection(members, id, algorithm, name, path))
    }
    guard !keys.isEmpty else {
      throw JWTKeysError(path, "it has no key for signatures (RSA, EC or OKP)")
    }
    self.keys = keys
  }

  /// Secrets that both sides know (`oct`), and keys to encrypt by, are left out.
  private static func isForSignatures(_ members: [String: JSONValue]) -> Bool {
    guard case .string(let kind)? = members["kty"], ["RSA", "EC", "OKP"].contains(kind) else {
      return false
    }
    return members["use"] == nil || members["use"] == .string("sig")
  }

  private static func id(
    _ members: [String: JSONValue], _ name: String, isOnly: Bool, _ path: String
  ) throws -> String {
    switch members["kid"] {
    case .string(let id)?: return id
    case nil where isOnly: return ""
    default: throw JWTKeysError(path, "\(name) has no kid, by which one of several is told")
    }
  }

  /// The one that the key names, else the usual one of its kind.
  private static func algorithm(
    _ members: [String: JSONValue], _ name: String, _ path: String
  ) throws -> String {
    func text(_ member: String) -> String? {
      if case .string(let text)? = members[member] { text } else { nil }
    }
    let known: [String]
    switch (text("kty"), text("crv")) {
    case ("RSA", _): known = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    case ("EC", "P-256"): known = ["ES256"]
    case ("EC", "P-384"): known = ["ES384"]
    case ("EC", "P-521"): known = ["ES512"]
    case ("OKP", "Ed25519"): known = ["EdDSA"]
    default: throw JWTKeysError(path, "\(name) has a curve (crv) that is not known")
    }
    guard let given = members["alg"] else { return known[0] }
    guard case .string(let algorithm) = given, known.contains(algorithm) else {
      throw JWTKeysError(path, "\(name): its alg is none of \(known.joined(separator: ", "))")
    }
    return algorithm
  }

  private static func collection(
    _ members: [String: JSONValue], _ id: String, _ algorithm: String, _ name: String,
    _ path: String
  ) async throws -> JWTKeyCollection {
    do {
      var key = try JSONValue.object(members).decode(as: JWK.self)
      key.algorithm = JWK.Algorithm(rawValue: algorithm)
      key.keyIdentifier = JWKIdentifier(string: id)
      if key.keyType == .rsa {
        let digits = key.modulus?.utf8.count { $0 != UInt8(ascii: "=") } ?? 0
        guard digits * 6 >= fewestRSABits else {
          throw JWTKeysError(path, "\(name) has fewer than \(fewestRSABits) bits")
        }
      }
      return try await JWTKeyCollection().add(jwk: key, isDefault: true)
    } catch let error as JWTKeysError {
      throw error
    } catch {
      throw JWTKeysError(path, "\(name) cannot be read")
    }
  }
}
