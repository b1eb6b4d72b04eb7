internal import CPlatform
internal import Glibc

/// The environment this process was started with.
public enum ProcessEnvironment {
    /// Every variable. Of a name that occurs twice the first counts, as for `getenv`.
    public static var variables: [String: String] {
        var variables: [String: String] = [:]
        guard var entry = unsafe platform_environment() else { return variables }
        while let text = unsafe entry.pointee {
            let assignment = unsafe String(cString: text)
            if let equals = assignment.firstIndex(of: "=") {
                let name = String(assignment[..<equals])
                if variables[name] == nil { variables[name] = String(assignment[assignment.index(after: equals)...]) }
            }
            unsafe entry += 1
        }
        return variables
    }

    /// Removes variables, so that child processes do not inherit them. Only while the process has one thread.
    public static func remove(_ names: [String]) {
        for name in names { _ = unsafe unsetenv(name) }
    }
}
