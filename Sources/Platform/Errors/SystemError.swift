internal import CPlatform
internal import Glibc

/// A call that the operating system refused.
public struct SystemError: Error, Hashable, Sendable {
    /// The call, by its name in the manual: `"bind"`.
    public let operation: String
    /// The value of `errno`, always positive.
    public let code: CInt
    /// What the call was applied to, most often a path; `nil` when the call alone says it.
    public let context: String?

    /// An error whose number is already known.
    public init(operation: String, code: CInt, context: String? = nil) {
        self.operation = operation
        self.code = code
        self.context = context
    }

    /// The error that the last call on this thread left in `errno`. Must be the first thing after that call.
    public static func last(_ operation: String, _ context: @autoclosure () -> String? = nil) -> SystemError {
        let code = errno
        return SystemError(operation: operation, code: code, context: context())
    }

    /// The symbolic name of ``code``, `"EMFILE"`; its decimal digits when it has no name.
    public var name: String {
        guard let name = unsafe platform_error_name(code) else { return String(code) }
        return unsafe String(cString: name)
    }
}

extension SystemError: CustomStringConvertible {
    /// `bind /run/swqd/swqd.sock: Permission denied (EACCES)`
    public var description: String {
        let text = unsafe platform_error_text(code).map { unsafe String(cString: $0) } ?? "Unknown error"
        let subject = context.map { "\(operation) \($0)" } ?? operation
        return "\(subject): \(text) (\(name))"
    }
}
