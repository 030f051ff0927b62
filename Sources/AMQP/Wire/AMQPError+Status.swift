import CRabbitMQ

/// librabbitmq's status codes and replies as errors that name what was wrong and what would be
/// right.
extension AMQPError {
  /// The status of a connection that was up.
  static func status(_ status: Int32) -> AMQPError {
    switch status {
    case AMQP_STATUS_HEARTBEAT_TIMEOUT.rawValue: .socket("no heartbeat from the broker")
    case AMQP_STATUS_CONNECTION_CLOSED.rawValue, AMQP_STATUS_SOCKET_CLOSED.rawValue:
      .socket("the other side closed it")
    case AMQP_STATUS_BAD_AMQP_DATA.rawValue, AMQP_STATUS_UNKNOWN_CLASS.rawValue,
      AMQP_STATUS_UNKNOWN_METHOD.rawValue:
      .protocolViolation(text(status))
    default: .socket(text(status))
    }
  }

  /// Opening the socket failed.
  static func connecting(_ configuration: ConnectionConfiguration, _ status: Int32) -> AMQPError {
    let endpoint = configuration.endpoint
    switch status {
    case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED.rawValue:
      return .connect("\(endpoint): the name \(configuration.host) does not resolve")
    case AMQP_STATUS_TIMEOUT.rawValue:
      return .connect("\(endpoint): no answer within \(configuration.connectTimeout)")
    case AMQP_STATUS_SOCKET_ERROR.rawValue, AMQP_STATUS_TCP_ERROR.rawValue:
      return .connect("\(endpoint): refused or unreachable; is a broker listening there?")
    case AMQP_STATUS_SSL_PEER_VERIFY_FAILED.rawValue:
      let authorities = configuration.tls?.caCertificateFile ?? "the system's authorities"
      return .tls(
        "\(endpoint): the broker's certificate is not signed by \(authorities), or is expired; "
          + "give the right cacertfile")
    case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED.rawValue:
      return .tls(
        "\(endpoint): the broker's certificate is not for the host name \(configuration.host); "
          + "connect by a DNS name that is in the certificate")
    case AMQP_STATUS_SSL_CONNECTION_FAILED.rawValue:
      return .tls("\(endpoint): the TLS handshake failed; is this the broker's TLS port?")
    default:
      return .connect("\(endpoint): \(text(status))")
    }
  }

  /// Logging in failed.
  static func loggingIn(
    _ configuration: ConnectionConfiguration, _ reply: amqp_rpc_reply_t
  ) -> AMQPError {
    let endpoint = configuration.endpoint
    if reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION,
      reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD, let decoded = reply.reply.decoded
    {
      let close = decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
      return .login(code: close.reply_code, text: String(close.reply_text))
    }
    switch reply.library_error {
    case AMQP_STATUS_TIMEOUT.rawValue:
      return .connect("\(endpoint): no log-in within \(configuration.connectTimeout)")
    case AMQP_STATUS_BROKER_UNSUPPORTED_SASL_METHOD.rawValue:
      return .login(
        code: 0,
        text:
          "it does not offer the mechanism \(configuration.authentication.rawValue.uppercased())")
    case AMQP_STATUS_INCOMPATIBLE_AMQP_VERSION.rawValue:
      return .connect("\(endpoint): it does not speak AMQP 0-9-1")
    case AMQP_STATUS_CONNECTION_CLOSED.rawValue, AMQP_STATUS_SOCKET_ERROR.rawValue,
      AMQP_STATUS_SSL_ERROR.rawValue:
      return configuration.tls == nil
        ? .connect("\(endpoint): closed while logging in; does that port speak plain AMQP 0-9-1?")
        : .tls("\(endpoint): closed while logging in; does the broker want a client certificate?")
    default:
      return .connect("\(endpoint): \(text(reply.library_error)) while logging in")
    }
  }

  private static func text(_ status: Int32) -> String {
    String(cString: amqp_error_string2(status))
  }
}
