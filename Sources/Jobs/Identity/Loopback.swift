/// The addresses that only this machine reaches.
package enum Loopback {
  /// Whether a host is one, as it is written: names are not looked up.
  package static func contains(_ host: String) -> Bool {
    host == "::1" || host.lowercased() == "localhost"
      || host.contains(/^127(\.[0-9]{1,3}){3}$/)
  }
}
