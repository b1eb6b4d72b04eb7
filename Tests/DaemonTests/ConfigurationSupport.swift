import Daemon
import Glibc
import Platform

/// A directory for the files of a configuration, removed with everything in it when the value ends.
struct ConfigurationDirectory: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/swqd-configuration-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { throw SystemError.last("mkdtemp") }
        unsafe path = String(cString: made)
    }

    deinit {
        for name in (try? names()) ?? [] { _ = unsafe Glibc.remove(path + "/" + name) }
        _ = unsafe rmdir(path)
    }

    /// The names of the files in it.
    func names() throws -> [String] {
        guard let directory = unsafe opendir(path) else { throw SystemError.last("opendir", path) }
        defer { _ = unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Writes a file and returns its path.
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        try write(name, Array(text.utf8), mode: mode)
    }

    func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
        let path = path + "/" + name
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw SystemError.last("open", path) }
        let file = OwnedFD(adopting: number)
        guard unsafe Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count, fchmod(file.rawValue, mode) == 0
        else { throw SystemError.last("write", path) }
        return path
    }
}

/// An environment in which every path has a default.
let serviceEnvironment = ["RUNTIME_DIRECTORY": "/run/swqd", "STATE_DIRECTORY": "/var/lib/swqd"]

/// A user who is not root.
let ordinaryUser = UserID(rawValue: 1000)

/// Resolves a configuration from the text of its file, over ``serviceEnvironment``. `%` in the text, in flags and in
/// variables stands for the directory of the file.
func load(
    file: String? = nil, flags: [OverridableSetting: String] = [:], environment: [String: String] = [:],
    in directory: borrowing ConfigurationDirectory, user: UserID = .current
) throws -> DaemonConfiguration {
    let path = directory.path
    var flags = flags.mapValues { $0.replacing("%", with: path) }
    if let file { flags[.configurationFile] = try directory.write("swqd.json", file.replacing("%", with: path)) }
    return try ConfigurationSources(
        flags: flags,
        environment: serviceEnvironment.merging(environment.mapValues { $0.replacing("%", with: path) }) { $1 },
        user: user
    ).load()
}

/// The text of the error with which a configuration is refused, `%` for the directory of the file.
func refusal(
    file: String? = nil, flags: [OverridableSetting: String] = [:], environment: [String: String] = [:],
    in directory: borrowing ConfigurationDirectory, user: UserID = .current
) -> String {
    do {
        _ = try load(file: file, flags: flags, environment: environment, in: directory, user: user)
        return "accepted"
    } catch {
        return "\(error)".replacing(directory.path, with: "%")
    }
}

/// The root of the checkout.
let checkoutPath = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
