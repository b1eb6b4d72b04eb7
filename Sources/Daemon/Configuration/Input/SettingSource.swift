/// Who gave a setting its value.
package enum SettingSource: Hashable, Sendable, CustomStringConvertible {
    /// A flag of the command line, such as `--socket`.
    case flag(String)
    /// A variable of the environment.
    case variable(String)
    /// A member of a file by its path, such as `devices[0].profile`; an empty path is the file itself.
    case member(file: String, path: String)
    /// Nobody: the default of the member at this path of the configuration.
    case standard(String)

    package var description: String {
        switch self {
        case .flag(let name), .variable(let name): name
        case .member(let file, ""): file
        case .member(let file, let path): "\(file): \(path)"
        case .standard(let path): "the default of \(path)"
        }
    }
}

/// A value and who gave it.
struct Setting<Value: Sendable>: Sendable {
    let value: Value
    let source: SettingSource

    init(_ value: Value, from source: SettingSource) {
        self.value = value
        self.source = source
    }

    /// The error that this value is.
    func refused(_ problem: String) -> ConfigurationError { ConfigurationError(source, problem) }
}
