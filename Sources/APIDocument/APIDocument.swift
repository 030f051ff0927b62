import CAPIDocument

/// What describes the HTTP API: `docs/openapi.yaml`, as it was when this was built.
package enum APIDocument {
  /// In UTF-8.
  package static let yaml = String(cString: warren_api_document())

  /// The page for people, made once.
  ///
  /// - Throws: ``OpenAPIError`` when the document is none that can be shown.
  package static func page() throws -> APIPage { try rendered.get() }

  private static let rendered = Result { try APIPage(of: OpenAPI(yaml: yaml)) }
}
