/// A submission as `HotScanner` reads it: no reference, no allocation. Reuse one value per connection or loop.
public struct HotRequest: BitwiseCopyable, Sendable {
    /// The instruction.
    public enum Instruction: UInt8, BitwiseCopyable, Sendable {
        case enqcmd
        case enqcmds
        case movdir64b

        /// The same as a command of the protocol.
        package var command: Command {
            switch self {
            case .enqcmd: .enqcmd
            case .enqcmds: .enqcmds
            case .movdir64b: .movdir64b
            }
        }
    }

    /// The instruction.
    public internal(set) var instruction = Instruction.enqcmd

    /// The 64 bytes are to be loaded from `source`; else they are `descriptor`.
    public internal(set) var loadsSource = false

    /// Linear address of the enqueue register.
    public internal(set) var destination: UInt64 = 0

    /// Linear address of the 64 bytes. Meaningful only if `loadsSource`.
    public internal(set) var source: UInt64 = 0

    /// The 64 bytes as eight little-endian words. Meaningful only unless `loadsSource`.
    public internal(set) var descriptor = InlineArray<8, UInt64>(repeating: 0)

    /// Offset of the first byte of the id.
    public internal(set) var idStart = 0

    /// Offset behind the id; equal to `idStart` when the request has none.
    public internal(set) var idEnd = 0

    /// Offset behind the request.
    public internal(set) var end = 0

    /// An ENQCMD of 64 zero bytes without id, to be overwritten by the scanner.
    public init() {}

    /// The bytes of the id; empty when the request has none.
    public var id: Range<Int> { idStart..<idEnd }
}
