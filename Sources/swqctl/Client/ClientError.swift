/// Why the daemon did not do what it was asked.
enum ClientError: ProgramFailure, Equatable {
    /// Nobody serves the address, or the system refused the connection.
    case unreachable(String)
    /// The daemon went away, did not answer in time, or said something that is not of the protocol.
    case broken(String)
    /// The daemon answered with an error; the path names the member at fault.
    case refused(class: String, description: String, path: String?)
    /// The device's command status reports an error (DSA 3.0 §9.2.12).
    case commandStatus(code: UInt32, name: String)

    var status: ExitStatus {
        switch self {
        case .unreachable, .broken: .unreachable
        case .refused, .commandStatus: .refused
        }
    }

    /// `NotFound: there is no device dsa9 (arguments.device)`
    var description: String {
        switch self {
        case .unreachable(let reason), .broken(let reason): reason
        case .refused(let errorClass, let description, nil): "\(errorClass): \(description)"
        case .refused(let errorClass, let description, let path?): "\(errorClass): \(description) (\(path))"
        case .commandStatus(let code, let name):
            "the device refused the command: status 0x\(String(code, radix: 16)), \(name)"
        }
    }
}
