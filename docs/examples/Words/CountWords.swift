public import Jobs

/// Counts the words of a file: what the producer sends, and the consumer gets.
public struct CountWords: JobParams {
  public static let job = JobDefinition("text:words", timeout: .seconds(60), retry: .exponential(3))
  public static let defaults = ParamDefaults { Self(path: $0) }

  public var path: String
  public var top = 3

  public init(path: String) {
    self.path = path
  }

  public struct Result: Codable, Sendable {
    public var total: Int
    public var mostFrequent: [String]

    public init(total: Int, mostFrequent: [String]) {
      self.total = total
      self.mostFrequent = mostFrequent
    }
  }
}
