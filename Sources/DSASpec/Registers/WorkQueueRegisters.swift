internal import PCIe

/// The bytes of a WQCFG entry as dwords 0 to 15 (DSA 3.0 §9.3, dsa-device 6.4).
///
/// Dword 6 shows the WQ's state and is not configuration; dwords 8 to 15 are OPCFG, which entries of 32 bytes lack.
extension WorkQueueConfiguration {
    /// Dword `index` of the entry, 0 to 15, without what dword 6 shows.
    ///
    /// - Parameter supported: OPCAP, which stands for an OPCFG that was never written.
    public func dword(_ index: Int, supported: OpcodeSet) -> UInt32 {
        switch index {
        case 0:
            return UInt32(size)
        case 1:
            return UInt32(threshold)
        case 2:
            let flags =
                UInt32(mode.rawValue) | bit(1, blockOnFaultEnable) | bit(2, atsDisable) | bit(3, prsDisable)
            return flags | UInt32(priority & 0xF) << 4 | pasid.rawValue << 8 | bit(28, pasidEnable)
                | bit(29, isPrivileged)
        case 3:
            return UInt32(maximumTransferShift & 0x1F) | UInt32(maximumBatchShift & 0xF) << 5
                | UInt32(maximumListShift & 0xF) << 9
        case 4:
            return UInt32(occupancyInterrupt.handle) | bit(16, occupancyInterrupt.table == .ims)
        case 5:
            return UInt32(occupancyInterrupt.limit) | bit(16, occupancyInterrupt.isEnabled)
        case 8, 9:
            return UInt32(truncatingIfNeeded: (operations ?? supported).bits >> (UInt64(index - 8) * 32))
        default:
            return 0
        }
    }

    /// Takes the fields of dword `index`, 0 to 15. Bits without a field are dropped.
    public mutating func setDword(_ index: Int, to value: UInt32, supported: OpcodeSet) {
        switch index {
        case 0:
            size = UInt16(truncatingIfNeeded: value)
        case 1:
            threshold = UInt16(truncatingIfNeeded: value)
        case 2:
            mode = value & 1 == 0 ? .shared : .dedicated
            blockOnFaultEnable = value >> 1 & 1 == 1
            atsDisable = value >> 2 & 1 == 1
            prsDisable = value >> 3 & 1 == 1
            priority = UInt8(value >> 4 & 0xF)
            pasid = HostPASID(truncating: value >> 8)
            pasidEnable = value >> 28 & 1 == 1
            isPrivileged = value >> 29 & 1 == 1
        case 3:
            maximumTransferShift = UInt8(value & 0x1F)
            maximumBatchShift = UInt8(value >> 5 & 0xF)
            maximumListShift = UInt8(value >> 9 & 0xF)
        case 4:
            occupancyInterrupt.handle = UInt16(truncatingIfNeeded: value)
            occupancyInterrupt.table = value >> 16 & 1 == 0 ? .msix : .ims
        case 5:
            occupancyInterrupt.limit = UInt16(truncatingIfNeeded: value)
            occupancyInterrupt.isEnabled = value >> 16 & 1 == 1
        case 8, 9:
            let shift = UInt64(index - 8) * 32
            let bits = (operations ?? supported).bits & ~(0xFFFF_FFFF << shift) | UInt64(value) << shift
            operations = OpcodeSet(bits: bits)
        default:
            break
        }
    }

    private func bit(_ position: UInt32, _ isSet: Bool) -> UInt32 { isSet ? 1 << position : 0 }
}

/// Dword 6 of a WQCFG entry: what the WQ shows (dsa-device 6.4).
public struct WorkQueueStatusBits: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits.
    public let rawValue: UInt32

    /// The status that these 32 bits state.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// - Parameters:
    ///   - occupancy: 0 on a device without WQCAP bit 52.
    ///   - isInterruptGenerated: The occupancy interrupt has come and was not cleared since.
    ///   - isModeSelectable: Mode may be shared or dedicated.
    public init(occupancy: Int, isInterruptGenerated: Bool, isModeSelectable: Bool, state: WorkQueueState) {
        rawValue =
            UInt32(occupancy & 0xFFFF) | (isInterruptGenerated ? 1 << 16 : 0) | (isModeSelectable ? 1 << 29 : 0)
            | UInt32(state.rawValue) << 30
    }

    /// Bits 15:0: descriptors stored in the WQ.
    public var occupancy: Int { Int(rawValue & 0xFFFF) }
    /// Bit 16, write 1 to clear: the occupancy interrupt was generated.
    public var isInterruptGenerated: Bool { rawValue >> 16 & 1 == 1 }
    /// Bit 29: Mode may be written.
    public var isModeSelectable: Bool { rawValue >> 29 & 1 == 1 }
    /// Bits 31:30; `nil` for the value that no state has.
    public var state: WorkQueueState? { WorkQueueState(rawValue: UInt8(rawValue >> 30)) }
}
