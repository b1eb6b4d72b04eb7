/// Everything outside a descriptor that its checks depend on: capabilities, the WQ's configuration, and whether it
/// came directly or as a member of a batch (DSA 3.0 §5.4).
public struct CheckContext: Hashable, Sendable, BitwiseCopyable {
    /// GENCAP (DSA 3.0 §9.2.2).
    public var generalCapabilities: GeneralCapabilities
    /// OPCAP, or the WQ's OPCFG.
    public var operations: OpcodeSet
    /// The descriptor was read from a batch's list.
    public var isBatchMember: Bool
    /// The WQ is shared, so a direct descriptor's Priv counts.
    public var isShared: Bool
    /// WQCFG PASID Enable.
    public var isPASIDEnabled: Bool
    /// The Priv that the WQ, or a member's Batch descriptor, lends. Ignored for a direct descriptor of a shared WQ,
    /// which brings its own.
    public var isPrivileged: Bool
    /// Privileged Mode Enable of the PCI PASID capability.
    public var isPrivilegedModeEnabled: Bool
    /// WQCFG BOF Enable.
    public var isBlockOnFaultEnabled: Bool
    /// Address Translation Services are enabled for the function and the WQ.
    public var isTranslationServiceEnabled = true
    /// GENCFG User-mode Interrupts Enable.
    public var areUserInterruptsEnabled: Bool
    /// Whether the interrupt entry that the descriptor's handle names admits its PASID (dsa-device §6.7). Counts only
    /// for a handle in range of a descriptor with RCI = 1.
    public var isInterruptHandleGranted: Bool
    /// Whether TC-A of the group names an enabled traffic class.
    public var isTrafficClassAEnabled: Bool
    /// Whether TC-B of the group names an enabled traffic class.
    public var isTrafficClassBEnabled: Bool
    /// WQCFG Maximum Transfer Size: 2^n bytes, 0 to 31.
    public var maximumTransferShift: UInt8
    /// WQCFG Maximum Batch Size: 2^n descriptors, 0 to 15.
    public var maximumBatchShift: UInt8
    /// Entries of the interrupt table that the portal selects.
    public var interruptHandleCount: UInt16
    /// What the device decides where the specification does not.
    public var openPoints = OpenPoints()

    /// A user's descriptor, submitted directly to a shared WQ with PASID Enable, BOF Enable 0 and the largest sizes
    /// that `generalCapabilities` admits, on a device that has left GENCFG at power-on and has 9 MSI-X vectors.
    public init(generalCapabilities: GeneralCapabilities = .dsa1, operations: OpcodeSet = .architectural1) {
        self.generalCapabilities = generalCapabilities
        self.operations = operations
        isBatchMember = false
        isShared = true
        isPASIDEnabled = true
        isPrivileged = false
        isPrivilegedModeEnabled = false
        isBlockOnFaultEnabled = false
        areUserInterruptsEnabled = false
        isInterruptHandleGranted = true
        isTrafficClassAEnabled = true
        isTrafficClassBEnabled = true
        maximumTransferShift = generalCapabilities.maximumTransferShift
        maximumBatchShift = generalCapabilities.maximumBatchShift
        interruptHandleCount = 9
    }

    /// What `swqctl explain` assumes when it is told nothing else.
    public static var standard: Self { Self() }
}

extension CheckContext {
    /// Whether the descriptor's accesses count as supervisor's (dsa-device §1.1).
    @inlinable
    public func isPrivileged(_ descriptor: Descriptor) -> Bool {
        isShared && !isBatchMember ? descriptor.isPrivileged : isPrivileged
    }
}
