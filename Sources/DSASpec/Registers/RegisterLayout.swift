/// OFFSETS, BAR0 + 0x60, read-only, 16 bytes: where the tables begin, in units of 0x100 bytes (DSA 3.0 §9.2.6,
/// dsa-device 7.1).
public struct TableOffsets: Hashable, Sendable, BitwiseCopyable {
    /// Bytes 0-7.
    public var word0: UInt64
    /// Bytes 8-15.
    public var word1: UInt64

    /// The offsets that these words state.
    public init(word0: UInt64, word1: UInt64) {
        self.word0 = word0
        self.word1 = word1
    }

    /// Bits 15:0, in bytes: GRPCFG.
    public var groupConfiguration: Int { Int(word0 & 0xFFFF) << 8 }
    /// Bits 31:16, in bytes: WQCFG.
    public var workQueueConfiguration: Int { Int(word0 >> 16 & 0xFFFF) << 8 }
    /// Bits 47:32, in bytes: MSIXPERM.
    public var interruptPermissions: Int { Int(word0 >> 32 & 0xFFFF) << 8 }
    /// Bits 63:48, in bytes: the interrupt message storage.
    public var interruptMessageStorage: Int { Int(word0 >> 48) << 8 }
    /// Bits 79:64, in bytes: performance counters.
    public var performanceMonitor: Int { Int(word1 & 0xFFFF) << 8 }
    /// Bits 95:80, in bytes: the inter-domain permission table. DSA 2.0.
    public var interDomainPermissions: Int { Int(word1 >> 16 & 0xFFFF) << 8 }
}

/// The ranges of BAR0 in which software sees the interrupt tables (dsa-device 7.1, 7.7).
public enum InterruptRegisters: CaseIterable, Sendable {
    /// MSIXPERM: 8 bytes per vector, of which the first 4 are the permission record.
    case permissions
    /// The MSI-X table: 16 bytes per vector.
    case messages
    /// The MSI-X pending bit array, read-only: bit n of the whole is vector n.
    case pendingBits
    /// The interrupt message storage: 16 bytes per entry.
    case messageStorage
}

/// Which register or table entry lies at an offset of a device's BAR0 (dsa-device 7.1).
///
/// The placement is the specification's example as far as the tables fit into it: MSIXPERM at 0x400, GRPCFG at 0x600,
/// WQCFG at 0x800, performance counters at 0x2000, MSI-X table at 0x4000, its pending bits at 0x5000, interrupt message
/// storage at 0x8000, inter-domain permissions at 0x9000, dummy portal at 0xF000. A table that needs more room than it
/// has there moves up, and BAR0 grows.
public struct RegisterLayout: Hashable, Sendable {
    /// What OFFSETS says.
    public let tables: TableOffsets
    /// The size of BAR0, a power of two, at least 64 KiB.
    public let byteCount: Int
    /// GRPCAP: entries of GRPCFG.
    public let groupCount: Int
    /// WQCAP: entries of WQCFG.
    public let workQueueCount: Int
    /// WQCAP: bytes from one entry of WQCFG to the next.
    public let workQueueEntryByteCount: Int
    /// Entries of the MSI-X table, and of MSIXPERM.
    public let messageCount: Int
    /// GENCAP: entries of the interrupt message storage.
    public let messageStorageCount: Int
    /// Where the MSI-X table begins, as the MSI-X capability of the function says.
    public let messageTableOffset: Int
    /// Where the pending bits of the MSI-X table begin, as that capability says too.
    public let pendingBitsOffset: Int

    /// Bytes of a GRPCFG entry.
    public static let groupEntryByteCount = 64
    /// The page that answers as the portal of a disabled WQ does.
    public static let dummyPortalOffset = 0xF000

    /// - Parameters:
    ///   - groupCount: 1 to 64.
    ///   - workQueueCount: 1 to 64.
    ///   - workQueueEntryByteCount: 32 or 64.
    ///   - messageCount: 1 to 2048.
    ///   - messageStorageCount: 0 to 16128.
    public init(
        groupCount: Int, workQueueCount: Int, workQueueEntryByteCount: Int, messageCount: Int,
        messageStorageCount: Int
    ) {
        self.groupCount = groupCount
        self.workQueueCount = workQueueCount
        self.workQueueEntryByteCount = workQueueEntryByteCount
        self.messageCount = messageCount
        self.messageStorageCount = messageStorageCount
        var end = 0x1_0000
        func place(_ byteCount: Int, at example: Int, room: Int) -> Int {
            guard byteCount > room else { return example }
            defer { end += (byteCount + 0xFFF) & ~0xFFF }
            return end
        }
        let permissions = place(messageCount * 8, at: 0x400, room: 0x200)
        let groups = place(groupCount * Self.groupEntryByteCount, at: 0x600, room: 0x200)
        messageTableOffset = place(messageCount * 16, at: 0x4000, room: 0x1000)
        pendingBitsOffset = 0x5000
        let storage = place(messageStorageCount * 16, at: 0x8000, room: 0x1000)
        tables = TableOffsets(
            word0: UInt64(groups >> 8) | 0x08 << 16 | UInt64(permissions >> 8) << 32 | UInt64(storage >> 8) << 48,
            word1: 0x20 | 0x90 << 16)
        var size = 0x1_0000
        while size < end { size <<= 1 }
        byteCount = size
    }

    /// What lies at an offset.
    public enum Place: Hashable, Sendable {
        /// Dword n of a register.
        case register(Register, dword: Int)
        /// Dword n of the GRPCFG entry of a group.
        case group(Int, dword: Int)
        /// Dword n of the WQCFG entry of a WQ.
        case workQueue(Int, dword: Int)
        /// Dword n of a range of the interrupt tables.
        case interrupts(InterruptRegisters, dword: Int)
        /// Nothing: it reads as 0 and ignores writes. So does the dummy portal, which takes descriptors only.
        case unlisted
    }

    /// What lies at `offset`, a multiple of 4.
    public func place(at offset: Int) -> Place {
        if offset < 0x200 {
            for register in Register.allCases
            where offset >= register.offset && offset < register.offset + register.byteCount {
                return .register(register, dword: (offset - register.offset) / 4)
            }
            return .unlisted
        }
        func dword(in base: Int, _ byteCount: Int) -> Int? {
            offset >= base && offset < base + byteCount ? (offset - base) / 4 : nil
        }
        if let index = dword(in: tables.workQueueConfiguration, workQueueCount * workQueueEntryByteCount) {
            let entry = workQueueEntryByteCount / 4
            return .workQueue(index / entry, dword: index % entry)
        }
        if let index = dword(in: tables.groupConfiguration, groupCount * Self.groupEntryByteCount) {
            return .group(index / 16, dword: index % 16)
        }
        for range in InterruptRegisters.allCases {
            if let index = dword(in: self.offset(of: range), byteCount(of: range)) {
                return .interrupts(range, dword: index)
            }
        }
        return .unlisted
    }

    /// Where a range of the interrupt tables begins.
    public func offset(of range: InterruptRegisters) -> Int {
        switch range {
        case .permissions: tables.interruptPermissions
        case .messages: messageTableOffset
        case .pendingBits: pendingBitsOffset
        case .messageStorage: tables.interruptMessageStorage
        }
    }

    /// The bytes that hold anything in a range of the interrupt tables, a multiple of 4. The pending bits fill whole
    /// quadwords.
    public func byteCount(of range: InterruptRegisters) -> Int {
        switch range {
        case .permissions: messageCount * 8
        case .messages: messageCount * 16
        case .pendingBits: (messageCount + 63) / 64 * 8
        case .messageStorage: messageStorageCount * 16
        }
    }
}
