/// Where foreign bytes lie on their way: the buffers between an address space that is reached by copying and the
/// kernels of the operations. Each thread that works on foreign memory has one.
///
/// What is in use at a time is at most 64 KiB, so that it stays in the second-level cache.
@safe
public final class ForeignBounce {
    /// What the buffers of a window may have together.
    static let byteCountMax = 64 << 10

    let pieces = ForeignPieces()
    var window = TransferWindow()
    /// 32 bytes and a status byte, as they go into a completion record.
    let record: UnsafeMutableRawPointer
    private let buffers: UnsafeMutableRawPointer

    /// Empty buffers.
    public init() {
        unsafe buffers = .allocate(byteCount: 3 * Self.byteCountMax, alignment: 4096)
        unsafe buffers.initializeMemory(as: UInt8.self, repeating: 0, count: 3 * Self.byteCountMax)
        unsafe record = .allocate(byteCount: 64, alignment: 64)
        unsafe record.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    }

    deinit {
        unsafe buffers.deallocate()
        unsafe record.deallocate()
    }

    /// The buffer of an operand.
    func buffer(_ operand: Int) -> UnsafeMutableRawPointer {
        precondition(operand >= 0 && operand < 3, "an operation has at most three buffers")
        return unsafe buffers + operand * Self.byteCountMax
    }
}
