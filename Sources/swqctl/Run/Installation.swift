internal import FoundationEssentials
internal import Glibc
internal import Platform

/// Where the parts of `swqd` are: beside this program, as `make install` lays them out and as a build leaves them.
struct Installation {
    /// This program.
    let swqctl: String
    private let directory: String

    init() throws(RunError) {
        do { swqctl = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") } catch {
            throw .failed("/proc/self/exe cannot be read: \(error)")
        }
        directory = String(swqctl[..<(swqctl.lastIndex(of: "/") ?? swqctl.startIndex)])
    }

    /// The daemon's program.
    func swqd() throws(RunError) -> String {
        let path = "\(directory)/swqd"
        guard unsafe access(path, X_OK) == 0 else { throw .failed("there is no swqd beside swqctl: \(path)") }
        return path
    }

    /// The absolute path of the preload library.
    func preloadLibrary(option: String?) throws(RunError) -> String {
        let name = "libswq-preload.so"
        let candidates = option.map { [$0] } ?? ["\(directory)/../lib/\(name)", "\(directory)/\(name)"]
        for candidate in candidates {
            // The dynamic loader takes neither a relative path nor one with a space or a colon.
            guard let path = FilePath.resolved(candidate) else { continue }
            guard !path.contains(where: { $0 == " " || $0 == ":" }) else {
                throw .failed("\(path): LD_PRELOAD takes no path with a space or a colon")
            }
            return path
        }
        throw .failed("there is no \(candidates[0]); `make build` builds it")
    }
}

/// Paths as the kernel resolves them.
enum FilePath {
    /// The absolute path without links; `nil` when nothing is there.
    static func resolved(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
