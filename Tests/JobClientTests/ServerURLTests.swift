import Testing

@testable import JobClient

@Suite("A server's URL")
struct ServerURLTests {
  @Test(
    "is what the paths of the API are put behind",
    arguments: [
      ("http://h:1", "http://h:1/jobs/x"), ("http://h:1/", "http://h:1/jobs/x"),
      ("https://h/a/b//", "https://h/a/b/jobs/x"),
      ("http://[::1]:8080", "http://[::1]:8080/jobs/x"),
    ])
  func paths(server: String, url: String) throws {
    #expect(try ServerURL(server).url(["jobs", "x"]) == url)
  }

  @Test("what is put into it is encoded")
  func encoding() throws {
    let server = try ServerURL("http://h")
    #expect(server.url(["job_types", "a:b"]) == "http://h/job_types/a:b")
    #expect(server.url(["a/b?c", "ä"]) == "http://h/a%2Fb%3Fc/%C3%A4")
    #expect(
      server.url(["jobs"], query: [("order", "-scheduled_at"), ("q", "a+b&c=d, e")])
        == "http://h/jobs?order=-scheduled_at&q=a%2Bb%26c%3Dd%2C%20e")
  }

  @Test(
    "is refused with what would be right",
    arguments: [
      ("", "'' is no http:// URL"), ("127.0.0.1:8080", "'127.0.0.1:8080' is no http:// URL"),
      ("amqp://u:s3cret@h", "'amqp://u:s3cret' is no http:// URL"),
      ("http://", "'http://' names no host"),
      ("http://h?x", "'http://h?x' has a query or a fragment"),
      ("http://h#x", "'http://h#x' has a query or a fragment"),
      ("http://u:p@h", "the server's URL must not hold a user or a password"),
      ("http://h:99999", "the port must be 1 to 65535, not 99999"),
    ])
  func refused(server: String, problem: String) {
    let error = #expect(throws: JobClientError.self) { try ServerURL(server) }
    #expect(error == .invalidRequest("\(problem); a server is given as in http://127.0.0.1:8080"))
  }
}
