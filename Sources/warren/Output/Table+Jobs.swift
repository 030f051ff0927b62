import Jobs

extension Table {
  init(_ jobs: [Job], now: Timestamp) {
    self.init(
      [
        Heading("id"), Heading("type"), Heading("status"), Heading("progress", isNumber: true),
        Heading("scheduled"), Heading("took", isNumber: true), Heading("details"),
      ],
      rows: jobs.map { job in
        [
          job.id.description, job.type.description, job.status.rawValue,
          "\(ProgressLine.percent(job)) %", HumanTime.text(job.scheduledAt, now: now),
          JobText.took(job, now: now).map { HumanTime.text($0) } ?? "", JobText.remark(job),
        ]
      })
  }
}
