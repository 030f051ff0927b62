/// An authority that gathers the reports and locks of all jobs of a worker into batches. Claims are sets already.
public struct BatchingAuthority<Base: JobAuthority>: JobAuthority {
  /// The most locks of one batch: one message, and one transaction of the store.
  public static var batchLimit: Int { 256 }

  /// The most reports of one batch.
  public static var reportLimit: Int { 256 }

  /// The most bytes of one batch of reports, unless a single one is larger: a result or a snapshot may have 1 MiB, and
  /// RabbitMQ takes messages of 16 MiB from 4.0 on.
  public static var reportBytes: Int { 4 << 20 }

  private let base: Base
  private let locks: Batcher<LockRequest, LockAnswer, AuthorityError>
  private let reports: Batcher<JobReport, Void, AuthorityError>

  /// - Parameter base: who decides on the batches.
  public init(_ base: Base) {
    self.base = base
    locks = Batcher(limit: Self.batchLimit) { requests in
      do throws(AuthorityError) {
        return .success(try await base.lock(requests))
      } catch {
        return .failure(error)
      }
    }
    reports = Batcher(
      limit: Self.reportLimit, byteLimit: Self.reportBytes, size: { $0.sizeBound },
      handler: { reports in
        do throws(AuthorityError) {
          try await base.report(reports)
          return .success(reports.map { _ in })
        } catch {
          return .failure(error)
        }
      })
  }

  public func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    try await base.claim(requests)
  }

  public func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] {
    try await locks.submit(requests)
  }

  public func report(_ reports: [JobReport]) async throws(AuthorityError) {
    _ = try await self.reports.submit(reports)
  }
}
