/// Why a registry does not take something.
public enum RegistryError: Error, Hashable, CustomStringConvertible {
  case duplicateType(JobTypeID)
  case groupDiffers(name: String)
  case unknownQueue(group: String, queue: JobQueueName, known: [JobQueueName])

  public var description: String {
    switch self {
    case .duplicateType(let id):
      "the job type \(id) is registered twice; give one of them another name"
    case .groupDiffers(let name):
      "the job group \(name) is declared twice, with another queue or description; declare it once"
    case .unknownQueue(let group, let queue, let known):
      "the job group \(group) names the queue \(queue), which is not declared; declared are "
        + known.map(\.rawValue).joined(separator: ", ")
    }
  }
}
