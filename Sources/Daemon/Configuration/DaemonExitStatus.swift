internal import Glibc
internal import History
internal import Platform

/// How the daemon's process ends (sysexits.h where that has a word).
package enum DaemonExitStatus: Int32, Sendable {
    /// Stopped as asked, or checked and valid.
    case success = 0
    /// EX_USAGE: the command line is wrong.
    case usage = 64
    /// EX_UNAVAILABLE: another daemon has the socket or the state directory.
    case unavailable = 69
    /// EX_SOFTWARE: none of the others.
    case software = 70
    /// EX_OSERR: the system refused a call.
    case system = 71
    /// EX_IOERR: the history cannot be opened or written.
    case inputOutput = 74
    /// EX_NOPERM: the system refused a call for lack of permission.
    case permission = 77
    /// EX_CONFIG: the configuration is wrong.
    case configuration = 78

    /// The status for a daemon that ends because of `error`.
    package init(_ error: any Error) {
        switch error {
        case let error as ConfigurationError: self = .init(error)
        case let error as ListenError: self = .init(error)
        case LockFileError.held: self = .unavailable
        case LockFileError.system(let error): self = .init(error)
        case let error as SystemError: self = .init(error)
        case let error as DaemonError: self = .init(error)
        case is HistoryError: self = .inputOutput
        default: self = .software
        }
    }

    private init(_ error: ConfigurationError) {
        if case .flag = error.source { self = .usage } else { self = .configuration }
    }

    private init(_ error: ListenError) {
        switch error {
        case .alreadyServed: self = .unavailable
        case .address, .notASocket, .inherited: self = .configuration
        case .system(let error): self = .init(error)
        }
    }

    private init(_ error: SystemError) {
        self = error.code == EACCES || error.code == EPERM ? .permission : .system
    }

    private init(_ error: DaemonError) {
        switch error {
        case .noFrames: self = .system
        case .device, .inheritedWithoutToken: self = .configuration
        case .historyFailed: self = .inputOutput
        }
    }
}
