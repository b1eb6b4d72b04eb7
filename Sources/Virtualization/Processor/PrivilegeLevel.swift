/// The current privilege level (CPL) of a logical processor.
public enum PrivilegeLevel: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// CPL 0: the only level at which ENQCMDS and WRMSR are legal.
    case supervisor = 0
    case ring1 = 1
    case ring2 = 2
    case user = 3
}
