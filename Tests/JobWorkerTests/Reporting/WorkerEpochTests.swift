import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.timeLimit(.minutes(3))) struct WorkerEpochTests {
  private let start = ContinuousClock.now

  @Test func onlyWhatTheServerMustHaveHeardOfIsReplaced() {
    var epoch = WorkerEpoch()
    #expect(epoch.number == 1)
    // It has not been announced yet.
    #expect(epoch.isUnknown(1, at: start + .seconds(60)) == false)
    epoch.confirm(1, at: start)
    // The announcement may be on its way still.
    #expect(epoch.isUnknown(1, at: start + .seconds(2)) == false)
    #expect(epoch.isUnknown(1, at: start + .seconds(3)) == true)
    #expect(epoch.number == 2)
  }

  @Test func oneLossRaisesTheEpochOnce() {
    var epoch = WorkerEpoch()
    epoch.confirm(1, at: start)
    // Each queue has a claim refused.
    #expect(epoch.isUnknown(1, at: start + .seconds(3)) == true)
    #expect(epoch.isUnknown(1, at: start + .seconds(3)) == false)
    #expect(epoch.isUnknown(2, at: start + .seconds(9)) == false)
    // An announcement of the earlier one was under way.
    epoch.confirm(1, at: start + .seconds(9))
    #expect(epoch.isUnknown(2, at: start + .seconds(19)) == false)
    epoch.confirm(2, at: start + .seconds(10))
    #expect(epoch.isUnknown(2, at: start + .seconds(19)) == true)
    #expect(epoch.number == 3)
  }

  @Test func aFurtherAnnouncementDoesNotPutItOff() {
    var epoch = WorkerEpoch()
    epoch.confirm(1, at: start)
    epoch.confirm(1, at: start + .seconds(3))
    #expect(epoch.isUnknown(1, at: start + .seconds(3)) == true)
  }

  @Test func nobodyClaimsBeforeTheFirstAnnouncementUnlessTheWorkerEnds() async {
    let (registration, lifecycle) = (Registration(), WorkerLifecycle())
    let waited = Recorder<Bool>()
    async let wait: Void = {
      await registration.waitUntilAnnounced(or: lifecycle)
      waited.add(true)
    }()
    #expect(waited.all.isEmpty)
    registration.confirm(1, at: .now)
    await wait
    await registration.waitUntilAnnounced(or: lifecycle)

    let ending = Registration()
    lifecycle.advance(to: .draining)
    await ending.waitUntilAnnounced(or: lifecycle)
  }
}
