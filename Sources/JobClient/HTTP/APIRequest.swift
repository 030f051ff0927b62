import Foundation
import NIOHTTP1

/// One request to the API.
struct APIRequest: Sendable {
  var method = HTTPMethod.GET
  /// The parts of the path, not yet percent-encoded.
  var path: [String]
  var query: [(name: String, value: String)] = []
  /// JSON.
  var body: Data?
  /// How long the server may take before it begins with the answer, on top of the client's own limit.
  var patience = Duration.zero
}
