/// The closed list of error classes. The raw value is the `class` member of an error. `Protos/protocol.md` explains
/// each to clients; a class is never renamed and never changes its meaning.
package enum ErrorClass: String, CaseIterable, Sendable {
    /// No such command, or not in this form (`exec-oob`). A class of QMP.
    case commandNotFound = "CommandNotFound"
    /// None of the others. A class of QMP, kept for its clients; this daemon has a closer one in every known case.
    case generic = "GenericError"
    /// The line is not UTF-8, not JSON, or not an object; or a line feed stands inside an object.
    case invalidJSON = "InvalidJSON"
    /// The request is longer than `limits.lineBytes`. It was discarded up to the next line feed.
    case lineTooLong = "LineTooLong"
    /// A member is unknown, given twice, missing, of the wrong type or out of range; `path` names it.
    case invalidArgument = "InvalidArgument"
    /// `qmp_capabilities` has not been completed.
    case notNegotiated = "NotNegotiated"
    /// TCP: `authenticate` has not succeeded.
    case notAuthenticated = "NotAuthenticated"
    /// The connection may not do this: another socket, role or privilege is needed.
    case permissionDenied = "PermissionDenied"
    /// The object does not exist, or belongs to another client: the two are not told apart.
    case notFound = "NotFound"
    /// The object exists, but the request is not legal in its present state.
    case wrongState = "WrongState"
    /// A configured limit or quota of the client would be exceeded.
    case limitExceeded = "LimitExceeded"
    /// The daemon or the machine under it has run out of something: PASIDs, memory, file descriptors.
    case resourceExhausted = "ResourceExhausted"
    /// Legal, but this build, device or host cannot do it.
    case unsupported = "Unsupported"
    /// The daemon stops and takes no further work.
    case shuttingDown = "ShuttingDown"
    /// The device's command status register reports an error; the text names code and meaning.
    case deviceRefused = "DeviceRefused"
    /// The history could not be written, or a bug. Nothing of the request is in force.
    case internalError = "Internal"
}
