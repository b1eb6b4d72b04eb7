/// How a completer answers a Deferrable Memory Write (virtualization §7.3).
///
/// Only ``successfulCompletion`` clears EFLAGS.ZF; hardware never repeats the request by itself (D-06).
public enum DMWrCompletion: UInt8, Sendable, BitwiseCopyable {
    /// SC, 000b: the 64 bytes were accepted.
    case successfulCompletion = 0b000
    /// UR, 001b: nothing at that address completes a DMWr.
    case unsupportedRequest = 0b001
    /// RRS (CRS before PCIe 6.0), 010b: not now, try again.
    case requestRetryStatus = 0b010
    /// CA, 100b: the completer gave up.
    case completerAbort = 0b100
}
