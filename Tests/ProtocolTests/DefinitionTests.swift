import Foundation
import Testing

@Suite("Definitions")
struct DefinitionTests {
    private static func files() throws -> [URL] {
        let folder = URL(fileURLWithPath: #filePath).appending(path: "../../../Protos/swq/v1").standardized
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "proto" }
    }

    @Test func `Every message, field, value, method and service has a comment`() throws {
        let declaration =
            /^\s*(message|enum|service|rpc|oneof|optional|repeated|[a-z0-9_]+ = [0-9]+;|[A-Z]\w+ [a-z_0-9]+ = [0-9]+)/
        let files = try Self.files()
        #expect(!files.isEmpty)
        for file in files {
            let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
            for (index, line) in lines.enumerated() where line.firstMatch(of: declaration) != nil {
                let above = index > 0 ? lines[index - 1].trimmingCharacters(in: .whitespaces) : ""
                #expect(above.hasPrefix("//"), "\(file.lastPathComponent):\(index + 1)")
            }
        }
    }

    @Test func `Every top-level message and every method says since when it exists`() throws {
        for file in try Self.files() {
            let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
            for (index, line) in lines.enumerated() where line.hasPrefix("message ") || line.hasPrefix("  rpc ") {
                let comment = lines[..<index].reversed().prefix {
                    $0.trimmingCharacters(in: .whitespaces).hasPrefix("//")
                }
                // The sentence may be broken over two lines.
                let text = comment.reversed().map { $0.trimmingCharacters(in: .whitespaces).dropFirst(3) }
                    .joined(separator: " ")
                #expect(text.contains("Since 0."), "\(file.lastPathComponent):\(index + 1)")
            }
        }
    }
}
