public import IOMMU
public import PCIe

/// The MSR bitmap of a VM: which accesses of its vCPUs to MSRs exit (SDM vol. 3, "MSR-Bitmap Address"; virtualization
/// §3.1).
///
/// 4 KiB: 1 KiB each for reads of MSRs 0 to 1FFFH, reads of C0000000H to C0001FFFH, and the writes of both; a bit that
/// is 1 exits, and so does every MSR outside of the two ranges. It owns its frame.
public struct MSRBitmap: ~Copyable {
    /// For the VMCS's MSR-bitmap address.
    public let address: HostPhysicalAddress
    private let memory: PhysicalMemory

    /// A bitmap by which every access exits. `nil` when no frame is free.
    public init?(memory: PhysicalMemory) {
        guard let frame = memory.allocateFrame() else { return nil }
        address = frame
        self.memory = memory
        for offset in stride(from: 0, to: pageByteCount, by: 8) {
            memory.store64(.max, at: frame.advanced(by: offset))
        }
    }

    deinit { memory.freeFrame(address) }

    /// Lets reads and writes of `register` through, or makes them exit. Only while no vCPU of the VM is in non-root
    /// mode.
    ///
    /// - Precondition: `register` is in one of the two ranges.
    public func intercept(_ register: UInt32, _ isIntercepted: Bool) {
        for isWrite in [false, true] {
            guard let place = Self.place(of: register, isWrite: isWrite) else {
                preconditionFailure("the bitmap has no bit for this MSR")
            }
            let location = address.advanced(by: UInt64(place.byte & ~7))
            let mask = UInt64(1) << UInt64((place.byte & 7) * 8 + place.bit)
            let word = memory.load64(location) ?? 0
            memory.store64(isIntercepted ? word | mask : word & ~mask, at: location)
        }
    }

    /// Whether an access exits, by the bitmap at `address`.
    public static func exits(
        _ register: UInt32, isWrite: Bool, bitmap address: HostPhysicalAddress, in memory: PhysicalMemory
    ) -> Bool {
        guard let place = place(of: register, isWrite: isWrite),
            let word = memory.load64(address.advanced(by: UInt64(place.byte & ~7)))
        else { return true }
        return word >> UInt64((place.byte & 7) * 8 + place.bit) & 1 != 0
    }

    /// The byte and the bit in it. MSR 0D93H: bit 3 of byte 1B2H for reads and of byte 9B2H for writes.
    private static func place(of register: UInt32, isWrite: Bool) -> (byte: Int, bit: Int)? {
        let number = register & 0x1FFF
        let base: UInt32
        switch register {
        case 0...0x1FFF: base = 0
        case 0xC000_0000...0xC000_1FFF: base = 0x400
        default: return nil
        }
        return (Int(base + (isWrite ? 0x800 : 0) + (number >> 3)), Int(number & 7))
    }
}
