import Foundation
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Serves the API over HTTP/1.1. When it is told to stop, open requests are answered first; waits end early.
struct HTTPServer: Service {
  /// After how long a connection on which nothing is asked is closed.
  static let idleTimeout = TimeAmount.seconds(75)

  let api: JobAPI
  /// A name or an address; 127.0.0.1 is reached from this machine alone.
  let host: String
  /// 0 takes any free port.
  let port: Int
  let logger: Logger
  /// Told the port once requests are taken.
  var onBound: @Sendable (Int) async -> Void = { _ in }

  func run() async throws {
    let application = Application(
      router: api.router(),
      server: .http1(configuration: .init(idleTimeout: Self.idleTimeout)),
      configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { await onBound(port) }
      },
      logger: logger)
    do {
      try await application.run()
    } catch let error as IOError {
      let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
      throw HTTPServerError(
        error.errnoCode == EADDRINUSE
          ? "the API cannot listen on \(place): the port is in use, perhaps by another server;"
            + " choose another http.port (WARREN_HTTP_PORT)"
          : "the API cannot listen on \(place): \(String(cString: strerror(error.errnoCode)));"
            + " choose another http.host or http.port")
    } catch is SocketAddressError.UnknownHost {
      throw HTTPServerError(
        "the API cannot listen on \(host): the name is not known; choose another http.host")
    }
  }
}
