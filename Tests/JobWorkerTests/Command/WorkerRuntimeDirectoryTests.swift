import Foundation
import SystemPackage
import Testing

@testable import JobWorker

@Suite struct WorkerRuntimeDirectoryTests {
  @Test func onlyItsOwnerCanEnterIt() throws {
    let directory = try WorkerRuntimeDirectory()
    let attributes = try FileManager.default.attributesOfItem(atPath: directory.path.string)
    #expect(attributes[.posixPermissions] as? Int == 0o700)
  }

  @Test func closingRemovesItAndItsFiles() throws {
    let directory = try WorkerRuntimeDirectory()
    let pipe = try ReportPipe(path: directory.newPath("report"))
    #expect(FileManager.default.fileExists(atPath: pipe.path.string))
    directory.close()
    directory.close()
    #expect(!FileManager.default.fileExists(atPath: directory.path.string))
  }

  @Test func noPathIsGivenTwice() throws {
    let directory = try WorkerRuntimeDirectory()
    #expect(directory.newPath("report") != directory.newPath("report"))
  }

  @Test func aParentThatIsMissingIsNamed() throws {
    let error = #expect(throws: CommandError.self) {
      try WorkerRuntimeDirectory(in: "/nonexistent/parent")
    }
    #expect(error?.description.contains("/nonexistent/parent") == true)
  }

  @Test func theShepherdIsFoundBesideTheExecutable() throws {
    #expect(try ShepherdLocator(environment: [:]).locate().lastComponent == "warren-shepherd")
  }

  @Test func theShepherdThatTheEnvironmentNamesIsTaken() throws {
    #expect(try ShepherdLocator(environment: ["WARREN_SHEPHERD": "/bin/sh"]).locate() == "/bin/sh")
    #expect(throws: CommandError.noShepherd(looked: ["/nonexistent/shepherd"])) {
      try ShepherdLocator(environment: ["WARREN_SHEPHERD": "/nonexistent/shepherd"]).locate()
    }
  }

  @Test func aMissingShepherdIsSaidWithThePlace() throws {
    var locator = ShepherdLocator(environment: [:])
    locator.executableDirectory = "/nonexistent"
    let error = #expect(throws: CommandError.noShepherd(looked: ["/nonexistent/warren-shepherd"])) {
      try WorkerRuntimeDirectory(locator: locator)
    }
    #expect(error?.description.contains("WARREN_SHEPHERD") == true)
  }
}
