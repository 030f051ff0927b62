import Foundation
import Jobs
import NIOHTTP1

/// What becomes of a delivery, by what the receiver has answered.
enum WebhookVerdict: Hashable {
  case delivered
  /// It wants no more of these.
  case gone
  /// It is tried again, no sooner than the receiver wishes.
  case failed(wish: Duration?)

  init(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, at now: Timestamp) {
    switch status.code {
    case 200..<300: self = .delivered
    case 410: self = .gone
    // Also a redirection: whoever has moved tells the operator.
    default: self = .failed(wish: headers.first(name: "Retry-After").flatMap { Self.wish($0, now) })
    }
  }

  /// A number of seconds, or a date (RFC 9110, section 10.2.3).
  static func wish(_ text: String, _ now: Timestamp) -> Duration? {
    if let seconds = Double(text) { return Duration(checkedSeconds: seconds) }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(identifier: "UTC")
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    guard let date = format.date(from: text) else { return nil }
    let time = date.timeIntervalSince1970
    guard time.magnitude < 1e12 else { return nil }
    let wish = Timestamp(milliseconds: Int64(time * 1000)) - now
    return wish > .zero ? wish : nil
  }
}
