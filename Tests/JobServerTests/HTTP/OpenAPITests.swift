import APIDocument
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import NIOCore
import Testing

@testable import JobServer

@Suite("The document of the API", .timeLimit(.minutes(2)))
struct OpenAPITests {
  private static func document() throws -> OpenAPI { try OpenAPI(yaml: APIDocument.yaml) }

  @Test("every route is in it, and all that is in it are routes")
  func routes() async throws {
    try await APIFixture.with { fixture in
      let routes = fixture.api.router().routes.map { route in
        "\(route.method.rawValue) \(route.path.description.replacing(/:([a-z_]+)/) { "{\($0.1)}" })"
      }
      let operations = try Self.document().operations.map { "\($0.method) \($0.path)" }
      #expect(Set(routes).subtracting(operations) == [], "routes that are not in the document")
      #expect(Set(operations).subtracting(routes) == [], "operations that are no routes")
      #expect(Set(routes).count == routes.count && Set(operations).count == operations.count)
    }
  }

  @Test("says of every operation what it asks of whoever uses it")
  func access() async throws {
    try await APIFixture.with { fixture in
      let routes = fixture.api.routes().entries.map { entry in
        let scope =
          switch entry.access {
          case .open: "open"
          case .tenant: "tenant"
          case .wholeTenant: "whole-tenant"
          case .everyTenant: "all-tenants"
          }
        return "\(entry.name) \(entry.access.role?.rawValue ?? "open") \(scope)"
      }
      let operations = try Self.document().operations.map { operation in
        let isOpen = operation.isOpen
        return "\(operation.method) \(operation.path) \(operation.role ?? (isOpen ? "open" : "?"))"
          + " \(operation.scope ?? (isOpen ? "open" : "?"))"
      }
      #expect(Set(routes).symmetricDifference(operations) == [])
    }
  }

  @Test("every kind of problem is in it with its status and title, and no other")
  func problems() throws {
    let known = ProblemKind.allCases.map {
      OpenAPI.ProblemKind(type: $0.path, title: $0.title, status: $0.status.code)
    }
    let documented = try Self.document().problems
    #expect(Set(known).subtracting(documented) == [], "problems that are not in the document")
    #expect(Set(documented).subtracting(known) == [], "problems that there are not")
    #expect(Set(documented).count == documented.count)
  }

  @Test("is of the version that the server is")
  func version() throws {
    let line = try #require(APIDocument.yaml.firstMatch(of: /\n  version: (.+)\n/))
    #expect(line.1 == WarrenVersion.current)
  }

  @Test("is served as it stands in the folder of the documentation, with a tag")
  func served() async throws {
    let file = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent()
    }
    .appending(path: "docs/openapi.yaml")
    let text = try String(contentsOf: file, encoding: .utf8)
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let response = try await client.send(.get, "/openapi.yaml")
        #expect(response.status == .ok)
        #expect(response.headers[.contentType] == "application/yaml")
        let isSame = String(buffer: response.body) == text
        #expect(isSame)
        let tag = try #require(response.headers[.eTag])
        let again = try await client.send(.get, "/openapi.yaml", headers: [.ifNoneMatch: tag])
        #expect(again.status == .notModified)
        #expect(again.body.readableBytes == 0)
        #expect(try await client.problem(.get, "/openapi.yaml?x=1").status == 400)
      }
    }
  }

  @Test("is a page that shows every operation and problem, and loads nothing")
  func page() async throws {
    try await APIFixture.with { fixture in
      try await fixture.test { client in
        let document = try Self.document()
        let response = try await client.send(.get, "/docs")
        #expect(response.status == .ok)
        #expect(response.headers[.contentType] == "text/html; charset=utf-8")
        let policy = try #require(response.headers[.contentSecurityPolicy])
        #expect(policy.hasPrefix("default-src 'none'; style-src 'sha256-"))
        #expect(!policy.contains("unsafe"))
        let html = String(buffer: response.body)
        for operation in document.operations {
          #expect(html.contains("<code>\(operation.path)</code></h3>"), "\(operation.path)")
        }
        for problem in document.problems { #expect(html.contains("<code>\(problem.type)</code>")) }
        #expect(!html.contains("<script") && !html.contains(" src=") && !html.contains("url("))
        #expect(!html.contains("{{"))
        // A link within the page leads somewhere.
        for link in html.matches(of: /href="#([^"]+)"/) {
          #expect(html.contains("id=\"\(link.1)\""), "\(link.1)")
        }
        let tag = try #require(response.headers[.eTag])
        let again = try await client.send(.get, "/docs", headers: [.ifNoneMatch: tag])
        #expect(again.status == .notModified)
      }
    }
  }

  @Test("is escaped where it is shown, whatever stands in it")
  func escaped() throws {
    let hostile = "<script>alert(1)</script>\" onclick='x'"
    let yaml = """
      info: {title: &x '\(hostile.replacing("'", with: "''"))', summary: *x, description: *x, version: *x}
      tags: [{name: *x, description: *x}]
      paths:
        /x:
          get:
            operationId: *x
            tags: [*x]
            summary: *x
            parameters: [{name: *x, in: *x, description: *x, schema: {type: *x, pattern: *x, enum: [*x]}}]
            responses: {*x : {description: *x, content: {*x : {schema: {$ref: *x}, examples: {*x : {value: *x}}}}}}
      components: {schemas: {*x : {description: *x, properties: {*x : {const: *x}}}}}
      """
    let page = try APIPage(of: OpenAPI(yaml: yaml))
    #expect(page.html.contains("&lt;script&gt;"))
    #expect(!page.html.contains("<script") && !page.html.contains("onclick='"))
    #expect(!page.html.contains("\" onclick"))
  }

  @Test("that is none, or refers to nothing, is refused with what is wrong")
  func broken() {
    #expect(throws: OpenAPIError.self) { try OpenAPI(yaml: "a: [") }
    #expect(throws: OpenAPIError.self) { try OpenAPI(yaml: "") }
    let error = #expect(throws: OpenAPIError.self) {
      try APIPage(
        of: OpenAPI(
          yaml: """
            tags: [{name: t}]
            paths: {/x: {get: {tags: [t], responses: {'200': {$ref: '#/components/none'}}}}}
            """))
    }
    #expect(error?.description == "the reference #/components/none leads nowhere")
  }
}
