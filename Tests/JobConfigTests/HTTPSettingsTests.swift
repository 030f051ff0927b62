import JobConfig
import Testing

@Suite("The section http")
struct HTTPSettingsTests {
  @Test("limits nothing and lets no other origin in unless it is told to")
  func standard() throws {
    for text in ["", "http:", "http: {cors: {}}", "http: {cors: {origins: []}}"] {
      let http = try parsed(text).http
      #expect(http.rate == 0 && http.burst == nil && http.concurrency == 0)
      #expect(http.origins.isEmpty)
      #expect(http.maxStreamsPerTenant == nil)
    }
  }

  @Test("has limits for each tenant, which give way to the environment")
  func limits() throws {
    let text = "http: {rate: 12.5, burst: 40, concurrency: 8}"
    let http = try parsed(text).http
    #expect(http.rate == 12.5 && http.burst == 40 && http.concurrency == 8)
    let set = try parsed(
      text,
      ["WARREN_HTTP_RATE": "50", "WARREN_HTTP_BURST": "100", "WARREN_HTTP_CONCURRENCY": "20"]
    ).http
    #expect(set.rate == 50 && set.burst == 100 && set.concurrency == 20)
  }

  @Test("has the origins of CORS, a list or one alone")
  func origins() throws {
    let list = try parsed(
      "http: {cors: {origins: [https://ops.example.org, 'http://localhost:3000']}}")
    #expect(list.http.origins == ["https://ops.example.org", "http://localhost:3000"])
    #expect(try parsed("http: {cors: {origins: '*'}}").http.origins == ["*"])
  }

  @Test("names every origin that is none")
  func wrongOrigins() {
    let found = problems(
      "http: {cors: {origins: [https://a.example/, https://b.example, ftp, [x]]}}")
    #expect(found.count == 3)
    for shown in ["'https://a.example/'", "'ftp'", "a list"] {
      #expect(found.contains { $0.hasSuffix("not \(shown)") }, "\(found)")
    }
  }

  @Test(
    "says what is wrong with it",
    arguments: [
      (
        "http: {rate: -1}",
        "w.yaml:1:14: http.rate: must be a number from 0 to 1000000, not '-1'"
      ),
      (
        "http: {burst: 10}",
        "w.yaml:1:15: http.burst: is of no use without rate, the requests that a tenant may send a"
          + " second"
      ),
      (
        "http: {concurrency: many}",
        "w.yaml:1:21: http.concurrency: must be an integer from 0 to 100000, not 'many'"
      ),
      (
        "http: {max_streams: 8, max_streams_per_tenant: 9}",
        "w.yaml:1:48: http.max_streams_per_tenant: must not be more than max_streams, 8, not 9"
      ),
      (
        "http: {cors: {origins: [https://ops.example.org/]}}",
        "w.yaml:1:25: http.cors.origins: must be an origin as browsers send it, scheme, host and"
          + " port without a path, as in https://ops.example.org, or \"*\", not"
          + " 'https://ops.example.org/'"
      ),
      (
        "http: {cors: {origin: '*'}}",
        "w.yaml:1:15: http.cors.origin: there is no such key; did you mean origins?"
      ),
    ])
  func wrong(text: String, problem: String) {
    #expect(problems(text) == [problem])
  }
}
