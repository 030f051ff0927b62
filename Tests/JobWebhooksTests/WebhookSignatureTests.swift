import Jobs
import NIOHTTP1
import Testing

@testable import JobWebhooks

@Suite("A webhook's signature")
struct WebhookSignatureTests {
  private static let body = Array(#"{"test": 2432232314}"#.utf8)
  private static let id = "msg_p5jXN8AQM9LWM0D4loKWxJek"

  @Test("is the one that the libraries of Standard Webhooks are tested with")
  func vector() throws {
    let secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    let signature = WebhookSignature(
      id: Self.id, timestamp: 1_614_265_330, body: Self.body, secrets: [secret])
    #expect(signature.signatures == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    #expect(
      signature.headers.map(\.name) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
    #expect(signature.headers.map(\.value) == [Self.id, "1614265330", signature.signatures])
  }

  @Test("is one for each secret while one takes the place of another")
  func rotation() throws {
    let old = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    let new = try #require(WebhookSecret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
    let signatures = WebhookSignature(
      id: Self.id, timestamp: 1_614_265_330, body: Self.body, secrets: [new, old]
    ).signatures.split(separator: " ")
    #expect(signatures.count == 2)
    #expect(signatures.last == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    #expect(signatures.first != signatures.last)
  }

  @Test("takes no secret that is too short, too long, or no Base64, and shows none")
  func secrets() throws {
    for text in [
      "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_%%%%",
      "whsec_" + String(repeating: "AAAA", count: 22),
    ] {
      #expect(WebhookSecret(text) == nil, "\(text)")
    }
    let secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    var dumped = ""
    dump(secret, to: &dumped)
    for shown in ["\(secret)", "\([secret])", String(reflecting: secret), dumped] {
      #expect(!shown.contains("MfKQ9r8"))
      #expect(!shown.contains("49"), "its bytes are shown: \(shown)")
    }
  }
}

@Suite("What a receiver answers")
struct WebhookVerdictTests {
  private static let now = Timestamp(milliseconds: 1_445_412_480_000)

  private func verdict(_ status: Int, _ headers: HTTPHeaders = [:]) -> WebhookVerdict {
    WebhookVerdict(HTTPResponseStatus(statusCode: status), headers, at: Self.now)
  }

  @Test("is taken only with a 2xx; 410 ends the delivery, and all else is tried again")
  func statuses() {
    for status in [200, 201, 204, 299] { #expect(verdict(status) == .delivered) }
    #expect(verdict(410) == .gone)
    for status in [301, 302, 307, 400, 401, 404, 429, 500, 502, 503] {
      #expect(verdict(status) == .failed(wish: nil), "\(status)")
    }
  }

  @Test("may wish for some time, in seconds or as a date")
  func retryAfter() {
    #expect(verdict(503, ["Retry-After": "120"]) == .failed(wish: .seconds(120)))
    #expect(
      verdict(429, ["Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"])
        == .failed(wish: .seconds(30)))
    for text in ["", "-1", "soon", "nan", "Wed, 21 Oct 2015 07:27:00 GMT"] {
      #expect(verdict(503, ["Retry-After": text]) == .failed(wish: nil), "\(text)")
    }
  }
}
