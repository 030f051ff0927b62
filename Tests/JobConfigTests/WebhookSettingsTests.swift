import Foundation
import JobConfig
import Jobs
import Testing

@Suite("The section webhooks")
struct WebhookSettingsTests {
  private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

  /// A file with this in it, for as long as the body runs.
  private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
    let file = URL.temporaryDirectory.appending(path: "secret-\(UUID())")
    try Data(text.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    try body(file.path())
  }

  @Test("says who is told of what")
  func endpoints() throws {
    let tenant = UUID()
    try withFile("\(Self.secret)\n\n whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \n") { file in
      let endpoints = try parsed(
        """
        webhooks:
          - {name: all, url: "https://example.org/hook", secret_file: \(file)}
          - name: failures
            url: http://10.0.0.7/hook
            insecure: true
            secret_file: \(file)
            types: [files:*, letters:send]
            tenants: \(tenant)
            statuses: [failed, timeout]
            timeout: 5s
            retries: [1s, 1m]
            concurrency: 2
          - {name: on-request, url: "http://localhost:99/", secret_file: \(file), types: []}
        """
      ).webhooks
      #expect(endpoints.map(\.name) == ["all", "failures", "on-request"])
      #expect(endpoints[0].types == [.any])
      #expect(endpoints[0].tenants == nil)
      #expect(endpoints[0].statuses == WebhookEndpoint.ends)
      #expect(endpoints[0].retries == WebhookEndpoint.standardRetries)
      #expect(endpoints[0].secrets.count == 2)
      #expect(endpoints[0].secrets[0] == WebhookSecret(Self.secret))
      #expect(endpoints[1].types.map(\.description) == ["files:*", "letters:send"])
      #expect(endpoints[1].tenants == [tenant])
      #expect(endpoints[1].statuses == [.failed, .timedOut])
      #expect(endpoints[1].timeout == .seconds(5))
      #expect(endpoints[1].retries == [.seconds(1), .seconds(60)])
      #expect(endpoints[1].concurrency == 2)
      #expect(endpoints[2].types == [])
    }
  }

  @Test("says what is wrong with it, and repeats neither URL nor secret")
  func wrong() throws {
    try withFile(Self.secret) { file in
      let said = problems(
        """
        webhooks:
          - {name: a, url: "http://10.0.0.7/hidden", secret_file: \(file)}
          - {name: a b, url: "https://u:hidden@example.org/", secret_file: \(file), type: x}
          - {url: "https://example.org/", secret_file: \(file), types: [files], statuses: running}
          - {name: b, url: "https://example.org/", secret_file: \(file), retries: [5], timeout: 1h}
          - {name: c, url: "https://example.org/", secret_file: \(file), tenants: all}
          - {name: c, url: "https://example.org/", secret_file: \(file)}
          - {name: d, url: "https://example.org/"}
          - 7
        """)
      for part in [
        "webhooks[0].url: must begin with https://",
        "webhooks[1].url: must not have a user or a password",
        "webhooks[1].type: there is no such key; did you mean types?",
        "webhooks[2]: the key name is missing",
        "webhooks[2].types: must be job types, as in media:checksum or media:*, not 'files'",
        "webhooks[2].statuses: must be one or several of",
        "webhooks[3].retries: 5 has no unit", "webhooks[3].timeout: must be from 100ms to 2m",
        "webhooks[4].tenants: must be any, a tenant's UUID, or a list of UUIDs, not 'all'",
        "webhooks[5].name: the webhook c is declared already, on line 6",
        "webhooks[6]: the key secret_file is missing",
        "webhooks[7]: must be a map, not '7'",
      ] {
        #expect(said.contains { $0.contains(part) }, "\(part) is not said in \(said)")
      }
      #expect(!said.joined().contains("hidden"))
    }
  }

  @Test(
    "takes a file of secrets and of nothing else", arguments: ["", "hunter2", "whsec_c2hvcnQ="])
  func secrets(text: String) throws {
    try withFile(text) { file in
      let said = problems("webhooks: [{name: a, url: 'https://a.org/', secret_file: \(file)}]")
      #expect(said.count == 1)
      #expect(said.first?.contains("whsec_ and the Base64 of 24 to 64 random bytes") == true)
      #expect(text.isEmpty || !said.joined().contains(text))
    }
  }

  @Test("no queue and no group has the name of the server's own")
  func reserved() {
    #expect(
      problems("queues: {warren-x: }\ngroups: {warren: {queue: compute}}") == [
        "w.yaml:1:10: queues: 'warren-x' is the name of a queue of the server's own; choose another one",
        "w.yaml:2:10: groups: 'warren' is the group of the server's own jobs; choose another name",
      ])
  }
}
