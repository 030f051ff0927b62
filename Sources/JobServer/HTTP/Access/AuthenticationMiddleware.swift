import HTTPTypes
import Hummingbird
import Jobs

/// How the API knows who asks.
enum APIAuthentication: Sendable {
  /// It believes what the headers say: where it listens to this machine alone.
  case none
  /// By a token of its own, or a JWT of somebody whom it trusts.
  case tokens(TokenRegistry, jwt: JWTAuthority?)
}

/// Finds out who asks. Who that is not known of, the routes refuse; those that are open to everybody do not ask.
struct AuthenticationMiddleware: RouterMiddleware {
  /// Longer ones are not looked at.
  static let longestToken = 8192

  let authentication: APIAuthentication

  func handle(
    _ request: Request, context: APIContext,
    next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    let headers = request.headers
    do throws(APIProblem) {
      let principal = try await principal(headers)
      context.identity = .success(try Caller(headers, as: principal))
      if principal.kind != .anyone {
        context.isStillAllowed = {
          do throws(APIProblem) {
            return try await self.principal(headers) == principal
          } catch {
            // A store that does not answer now is no reason.
            return error.problem.type != ProblemKind.unauthenticated.path
          }
        }
      }
    } catch {
      context.identity = .failure(error)
    }
    return try await next(request, context)
  }

  func principal(_ headers: HTTPFields) async throws(APIProblem) -> Principal {
    guard case .tokens(let registry, let jwt) = authentication else { return .anyone }
    let token = try Self.bearer(headers)
    if TokenSecret.isOne(token) {
      return Principal(try await registry.token(for: TokenSecret(token)))
    }
    guard let jwt, JWTAuthority.isOne(token) else {
      throw .unauthenticated("the token is not known", isInvalid: true)
    }
    do throws(JWTRefusal) {
      return try await jwt.principal(of: token)
    } catch {
      throw .unauthenticated("the token is not taken: \(error)", isInvalid: true)
    }
  }

  /// The token of `Authorization: Bearer` (RFC 6750, section 2.1), as it is; what is sent otherwise is not looked at.
  static func bearer(_ headers: HTTPFields) throws(APIProblem) -> String {
    let values = headers[values: .authorization]
    guard let value = values.first else {
      throw .unauthenticated(
        "the request names no token; it is sent as Authorization: Bearer, and made by warren token"
          + " create", isInvalid: false)
    }
    guard values.count == 1 else {
      throw .unauthenticated("the header Authorization is given twice", isInvalid: true)
    }
    let parts = value.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else {
      throw .unauthenticated(
        "the header Authorization must be Bearer and a token", isInvalid: false)
    }
    let token = parts[1].drop { $0 == " " }
    guard !token.isEmpty, token.utf8.count <= longestToken else {
      throw .unauthenticated(
        "a token has 1 to \(longestToken) characters", isInvalid: true)
    }
    return String(token)
  }
}
