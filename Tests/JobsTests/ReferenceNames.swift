/// The exported names of the reference, `jobs`: what a user of it may look for.
enum ReferenceNames {
  /// Functions, constants and types, then methods and fields as `Type.member`.
  static let all: [String] =
    words(
      """
      NewJob JEScheduleJob JEGetJob JEGetJobByIdempotencyKey ListJobs JECancelJob JEDeleteJob
      JESuspendJob JEResumeJob JEWaitJob ResumeJobsOnServerStart RegisterJobGroup GetJobGroup
      GetJobGroups RegisterJobType GetJobType GetJobTypes NewJobQueue RegisterJobQueue
      GetJobQueue StatusInit StatusWaiting StatusResuming StatusRunning StatusCanceling
      StatusSuspending StatusLocked StatusSuspended StatusSkipped StatusCanceled StatusFailed
      StatusTimedOut StatusCompleted JobStatusInit JobStatusWaiting JobStatusResuming
      JobStatusRunning JobStatusCanceling JobStatusSuspending JobStatusLocked JobStatusSuspended
      JobStatusSkipped JobStatusCanceled JobStatusFailed JobStatusTimedOut JobStatusCompleted
      JobGroupSeparator JobQueueCompute JobQueueMaintenance JobQueueDownload Job JobObj JobAPI
      JobAPIResponse JobAPIResponseItem JobGroup JobGroupAPIResponse JobGroupAPIResponseItem
      JobQueue JobQueueName JobStatus JobType JobTypeAPIResponse JobTypeAPIResponseItem
      JobTypeParams JobWorker JobWorkerInitCallback JobWorkerExecutionCallback
      JobWorkerStateUpdateCallback JobWorkerSuspendCallback JobWorkerResumeCallback JobsExecutor
      ListJobsAPIRequest ListJobsAPIResponse ListJobTypesAPIResponse ListJobGroupsAPIRequest
      ListJobGroupsAPIResponse
      """)
    + members(
      of: "JobAPI",
      """
      APIScheduleJob APIGetJob APIListJobs APICancelJob APISuspendJob APIResumeJob APIDeleteJob
      APIListJobTypes APIGetJobType APIListJobGroups APIGetJobGroup JobToAPIResponse
      JobTypeToAPIResponse JobGroupToAPIResponse
      """)
    + members(
      of: "JobObj",
      """
      CheckStatusTransition GetJobID GetTenantID GetUserID GetIdempotencyKey GetType GetParams
      GetStatus GetError GetProgress GetETA GetScheduledAt GetStartedAt GetTimeoutSec
      GetMaxRetries GetRetryDelay GetRetries GetLockedBy GetQueue GetStatusErrorProgressSuccess
      GetTypePtr GetParamsPtr Log LogTrace LogDebug LogInfo LogWarn LogError SetProgress
      SetResult SetSkipped SetRetryPolicy SetLockedBy SetUnlocked
      """)
    + members(of: "JobQueue", "GetNextJob AddRunningJob RemoveRunningJob")
    + members(
      of: "Job",
      """
      JobID TenantID UserID IdempotencyKey Type ScheduledAtMs UpdatedAtMs StartedAtMs ETAMs
      LockedBy Progress ProgressDetails Status Details TimeoutSec MaxRetries RetryDelaySec
      Retries Error Result Params TypePtr ParamsPtr
      """)
    + members(of: "JobGroup", "Name Queue Description")
    + members(
      of: "JobType",
      """
      TypeID Description Group GroupPtr Name TimeoutSec MaxRetries RetryDelaySec Params
      ParamsSchema WorkerInitCallback WorkerExecutionCallback WorkerStateUpdateCallback
      WorkerSuspendCallback WorkerResumeCallback WorkerIsSuspendable
      """)
    + members(
      of: "JobTypeParams",
      """
      Group Name Description Params WorkerInitCallback WorkerExecutionCallback
      WorkerStateUpdateCallback WorkerSuspendCallback WorkerResumeCallback WorkerIsSuspendable
      Timeout RetryDelay MaxRetries
      """)
    + members(of: "JobAPIResponse", "Body")
    + members(of: "JobTypeAPIResponse", "Body")
    + members(of: "JobGroupAPIResponse", "Body")
    + members(of: "ListJobsAPIRequest", "Status PageAPIRequest")
    + members(of: "ListJobGroupsAPIRequest", "PageAPIRequest")
    + members(of: "ListJobsAPIResponse", "Body")
    + members(of: "ListJobTypesAPIResponse", "Body")
    + members(of: "ListJobGroupsAPIResponse", "Body")

  private static func words(_ text: String) -> [String] {
    text.split { $0.isWhitespace }.map(String.init)
  }

  private static func members(of type: String, _ text: String) -> [String] {
    words(text).map { "\(type).\($0)" }
  }
}
