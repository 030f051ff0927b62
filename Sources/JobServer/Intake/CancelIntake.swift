import AMQP
import JobStore
import JobTransport
import Jobs

/// Carries out the cancellations that came through the intake queue.
struct CancelIntake: Sendable {
  typealias Wish = (delivery: Delivery, cancellation: JobCancellation)

  let service: JobService

  /// Does as the HTTP API does for each; all at once, since a cancellation may have to ask a worker.
  ///
  /// - Returns: those to acknowledge, those that the store could not take now, and those that cannot be accepted.
  func carryOut(
    _ wishes: [Wish]
  ) async -> (done: [DeliveryTag], unsettled: [Wish], refused: [DeadLetterOffice.Letter]) {
    await withTaskGroup { group in
      for (index, wish) in wishes.enumerated() {
        group.addTask { (index, await cancel(wish.cancellation)) }
      }
      var done: [DeliveryTag] = []
      var unsettled: [Wish] = []
      var refused: [DeadLetterOffice.Letter] = []
      for await (index, failure) in group {
        let wish = wishes[index]
        switch failure {
        case nil:
          done.append(wish.delivery.tag)
        case .store:
          unsettled.append(wish)
        case let failure?:
          refused.append(
            .init(wish.delivery, reason: "unknown-job", explanation: failure.description))
        }
      }
      return (done, unsettled, refused)
    }
  }

  /// - Returns: why it could not be done.
  private func cancel(_ cancellation: JobCancellation) async -> JobServiceError? {
    do throws(JobServiceError) {
      _ = try await service.cancel(
        cancellation.job, tenant: cancellation.tenantID, reason: cancellation.reason)
      return nil
    } catch {
      return error
    }
  }
}
