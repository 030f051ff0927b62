import Crypto
import Foundation
import Mustache

/// The document as one page of HTML that loads nothing: it is read without a network and without a script.
package struct APIPage: Sendable {
  package let html: String
  /// What a browser may load for it: its own style, known by its hash.
  package let contentSecurityPolicy: String

  /// - Throws: ``OpenAPIError`` when the document is none that can be shown.
  package init(of document: OpenAPI) throws {
    var library = MustacheLibrary()
    for (name, text) in PageTemplate.partials { try library.register(text, named: name) }
    let template = try MustacheTemplate(string: PageTemplate.page)
    let style = PageTemplate.style
    html = template.render(try PageContent(of: document, style: style), library: library)
    let hash = Data(SHA256.hash(data: Data(style.utf8))).base64EncodedString()
    contentSecurityPolicy =
      "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none';"
      + " frame-ancestors 'none'"
  }
}
