internal import FoundationEssentials
internal import Glibc
internal import Platform

/// Finds programs as a shell does.
enum ProgramPath {
    /// The absolute path of `name`, which is looked for in PATH unless it has a slash. Links are left alone: programs
    /// look at the name that they are called by.
    static func find(_ name: String) throws(BenchError) -> String {
        let directories = ProcessEnvironment.variables["PATH"]?.split(separator: ":") ?? []
        let candidates = name.contains("/") ? [name] : directories.map { "\($0)/\(name)" }
        guard let found = candidates.first(where: { unsafe access($0, X_OK) == 0 }) else {
            throw BenchError("\(name): no such program")
        }
        return found.hasPrefix("/") ? found : "\(FileManager.default.currentDirectoryPath)/\(found)"
    }
}
