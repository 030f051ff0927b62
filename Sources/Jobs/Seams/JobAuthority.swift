/// Who decides what a worker may run, and keeps what it reports: the server, by way of the broker or, in one process,
/// directly.
public protocol JobAuthority: Sendable {
  /// Asks for jobs.
  ///
  /// - Returns: an answer to each request, in their order.
  /// - Throws: ``AuthorityError`` when no answer came in time; ask again with ``ClaimRequest/repeated``.
  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer]

  /// Asks to lock or unlock running jobs.
  ///
  /// - Returns: an answer for each request, in their order.
  /// - Throws: ``AuthorityError`` when no answer came in time; asking again is harmless.
  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer]

  /// Hands over reports. When this returns they are durable: nothing that happens to worker or server loses them.
  ///
  /// Reports of one worker are applied in the order in which they are handed over.
  ///
  /// - Throws: ``AuthorityError`` when it is not known that they are; handing them over again is harmless.
  func report(_ reports: [JobReport]) async throws(AuthorityError)
}
