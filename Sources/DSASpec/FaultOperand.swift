/// The operand whose access faulted: bits 3:1 of a completion record's Fault Info, and bits 31:29 of the Error
/// Information of SWERROR and event log (DSA 3.0 §8.2.3, dsa-device 2.1). DSA 2.0.
public enum FaultOperand: UInt8, Sendable, BitwiseCopyable {
    case unknown = 0
    /// Source or first source, descriptor list, delta record that is applied, first readback address.
    case source = 1
    /// Second source, CRC seed, second readback address.
    case secondSource = 2
    /// Destination or first destination, delta record that is created.
    case destination = 3
    case secondDestination = 4
    case completionRecord = 5
    /// A scatter-gather list. DSA 3.0.
    case scatterGatherList = 6
}

extension CompletionRecord {
    /// Byte 2, bits 3:1: the operand that faulted. Present with GENCAP bit 12. Bit 0, fault address masked, stays 0:
    /// the address is whole.
    public var faultOperand: FaultOperand {
        get { FaultOperand(rawValue: UInt8(truncatingIfNeeded: word0 >> 17 & 7)) ?? .unknown }
        set { word0 = word0 & ~(0xFF << 16) | UInt64(newValue.rawValue) << 17 }
    }
}
