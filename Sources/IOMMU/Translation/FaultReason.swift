/// A fault reason of VT-d scalable mode (virtualization §6.3). Open: a fault record holds any byte.
///
/// Codes that §6.3 leaves open (44H-48H, 5DH, 70H-77H, 80H, 81H) are those that Linux prints by name and QEMU raises.
public struct FaultReason: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The code, as bits 7:0 of a fault reason field hold it.
    public let rawValue: UInt8

    /// The reason with this code, defined or not.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    // MARK: Root table

    /// The root entry lies where no memory is.
    public static let rootEntryAccess = Self(rawValue: 0x38)
    /// LP or UP, whichever half the requester has, is 0.
    public static let rootEntryNotPresent = Self(rawValue: 0x39)
    /// A reserved bit of the root entry is 1.
    public static let rootEntryReserved = Self(rawValue: 0x3A)

    // MARK: Context table

    /// The context entry lies where no memory is.
    public static let contextEntryAccess = Self(rawValue: 0x40)
    /// P of the context entry is 0.
    public static let contextEntryNotPresent = Self(rawValue: 0x41)
    /// A reserved bit of the context entry is 1.
    public static let contextEntryReserved = Self(rawValue: 0x42)
    /// A translation request where DTE is 0.
    public static let translationRequestsNotEnabled = Self(rawValue: 0x44)
    /// A request with PASID where PASIDE is 0.
    public static let pasidNotEnabled = Self(rawValue: 0x45)
    /// A PASID that the directory's size (PDTS) does not cover.
    public static let pasidBeyondDirectory = Self(rawValue: 0x46)
    /// A page request where PRE is 0.
    public static let pageRequestsNotEnabled = Self(rawValue: 0x47)
    /// RID_PASID that the directory's size does not cover.
    public static let requesterPASIDBeyondDirectory = Self(rawValue: 0x48)

    // MARK: PASID directory and table

    /// The PASID directory entry lies where no memory is.
    public static let pasidDirectoryAccess = Self(rawValue: 0x50)
    /// P of the PASID directory entry is 0.
    public static let pasidDirectoryEntryNotPresent = Self(rawValue: 0x51)
    /// A reserved bit of the PASID directory entry is 1.
    public static let pasidDirectoryEntryReserved = Self(rawValue: 0x52)
    /// The PASID entry lies where no memory is.
    public static let pasidTableAccess = Self(rawValue: 0x58)
    /// P of the PASID entry is 0: nothing is bound to the PASID.
    public static let pasidEntryNotPresent = Self(rawValue: 0x59)
    /// A reserved bit of the PASID entry is 1.
    public static let pasidEntryReserved = Self(rawValue: 0x5A)
    /// AW, PGTT or first-stage paging mode names nothing this unit has.
    public static let pasidEntryInvalid = Self(rawValue: 0x5B)
    /// A privileged request where supervisor request enable (SRE) is 0.
    public static let supervisorRequestNotEnabled = Self(rawValue: 0x5D)

    // MARK: First stage

    /// A first-stage table below the root lies where no memory is.
    public static let firstStageAccess = Self(rawValue: 0x70)
    /// P of a first-stage entry is 0.
    public static let firstStageNotPresent = Self(rawValue: 0x71)
    /// A reserved bit of a present first-stage entry is 1.
    public static let firstStageReserved = Self(rawValue: 0x72)
    /// The first-stage root table lies where no memory is.
    public static let firstStageRootAccess = Self(rawValue: 0x73)
    /// A first-stage table pointer above the guest address width (nested).
    public static let firstStageTableBeyondGuestWidth = Self(rawValue: 0x74)
    /// The second stage denies reading the first-stage root table (nested).
    public static let firstStageRootReadDenied = Self(rawValue: 0x75)
    /// The second stage denies reading another first-stage table (nested).
    public static let firstStageTableReadDenied = Self(rawValue: 0x76)
    /// The second stage denies writing a first-stage table whose accessed or dirty flag must be set (nested).
    public static let firstStageTableWriteDenied = Self(rawValue: 0x77)

    // MARK: Second stage

    /// A second-stage table below the root lies where no memory is.
    public static let secondStageAccess = Self(rawValue: 0x78)
    /// R and W of a second-stage entry are 0.
    public static let secondStageNotPresent = Self(rawValue: 0x79)
    /// A reserved bit of a present second-stage entry is 1.
    public static let secondStageReserved = Self(rawValue: 0x7A)
    /// The second-stage root table lies where no memory is.
    public static let secondStageRootAccess = Self(rawValue: 0x7B)

    // MARK: Any stage

    /// The input of the first stage is not canonical.
    public static let nonCanonicalAddress = Self(rawValue: 0x80)
    /// A user request to a supervisor page.
    public static let userRequestDenied = Self(rawValue: 0x81)
    /// The input of a pass-through translation is above the host address width.
    public static let beyondHostWidth = Self(rawValue: 0x83)
    /// The input of the second stage is above the guest address width.
    public static let beyondGuestWidth = Self(rawValue: 0x84)
    /// A write where either stage permits none.
    public static let writeDenied = Self(rawValue: 0x85)
    /// A read where the second stage permits none.
    public static let readDenied = Self(rawValue: 0x86)
    /// The result is an address of the interrupt range, which is not memory.
    public static let outputInInterruptRange = Self(rawValue: 0x87)
}

extension FaultReason {
    /// Not present, or not permitted, in the first or the second stage: mapping the page or widening its permission
    /// repairs it.
    public var isPageFault: Bool {
        switch self {
        case .firstStageNotPresent, .firstStageRootReadDenied, .firstStageTableReadDenied, .firstStageTableWriteDenied,
            .secondStageNotPresent, .userRequestDenied, .writeDenied, .readDenied:
            true
        default:
            false
        }
    }

    /// Whether fault processing disable (FPD) suppresses the record. Faults found before any FPD could be read, and
    /// failed accesses to the tables that hold it, are always recorded (§6.3).
    public var isQualified: Bool {
        switch self {
        case .rootEntryAccess, .rootEntryNotPresent, .rootEntryReserved, .contextEntryAccess, .pasidDirectoryAccess,
            .pasidTableAccess:
            false
        default:
            true
        }
    }
}
