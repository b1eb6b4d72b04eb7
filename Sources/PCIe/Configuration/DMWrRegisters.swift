// What a function or a port says of Deferrable Memory Writes, and lets software switch (virtualization §7.1).

/// Where the capabilities of this model begin.
enum CapabilityOffset {
    static let express = 0x40
    static let msix = 0x80
    static let errorReporting = 0x100
    static let addressTranslation = 0x150
    static let pasid = 0x160
    static let pageRequest = 0x170
    static let device3 = 0x180
    static let singleRootIO = 0x190
}

/// The identifiers of the capabilities of this model.
public enum CapabilityID {
    /// PCI Express, in the list of capabilities.
    public static let express: UInt8 = 0x10
    /// MSI-X, in the list of capabilities.
    public static let msix: UInt8 = 0x11
    /// Advanced Error Reporting (AER), extended.
    public static let errorReporting: UInt16 = 0x01
    /// Address Translation Services (ATS), extended.
    public static let addressTranslation: UInt16 = 0x0F
    /// Single Root I/O Virtualization (SR-IOV), extended.
    public static let singleRootIO: UInt16 = 0x10
    /// Page Request Interface (PRI), extended.
    public static let pageRequest: UInt16 = 0x13
    /// Process Address Space ID (PASID), extended.
    public static let pasid: UInt16 = 0x1B
    /// Device 3, extended.
    public static let device3: UInt16 = 0x2F
}

/// AER Uncorrectable Error Status, Mask and Severity: the bits that this model sets.
public enum UncorrectableError {
    /// Bit 27: a DMWr met a port that blocks it on its way out.
    public static let dmwrEgressBlocked: UInt32 = 1 << 27
}

extension ConfigurationSpace {
    /// Device Capabilities 2, bit 28: the function completes DMWr. Lengths, bits 30:29, are 0: up to 64 bytes.
    public var completesDMWr: Bool { self[CapabilityOffset.express + 0x24] & 1 << 28 != 0 }

    /// Device Capabilities 3, bit 0: the port routes DMWr.
    public var routesDMWr: Bool { self[CapabilityOffset.device3 + 4] & 1 << 0 != 0 }

    /// Device Control 3, bit 1: the port lets no DMWr out.
    public var blocksDMWrEgress: Bool {
        get { self[CapabilityOffset.device3 + 8] & 1 << 1 != 0 }
        set {
            if newValue {
                self[CapabilityOffset.device3 + 8] |= 1 << 1
            } else {
                self[CapabilityOffset.device3 + 8] &= ~(1 << 1)
            }
        }
    }

    /// AER, Uncorrectable Error Status.
    public internal(set) var uncorrectableErrors: UInt32 {
        get { self[CapabilityOffset.errorReporting + 4] }
        set { self[CapabilityOffset.errorReporting + 4] = newValue }
    }

    /// The PCI Express, AER and Device 3 capabilities, which functions and ports have.
    ///
    /// - Parameter type: Device/Port Type, 4 bits.
    mutating func addExpress(type: UInt32, completesDMWr: Bool, routesDMWr: Bool, resets: Bool) {
        let express = CapabilityOffset.express
        addCapability(CapabilityID.express, at: express)
        define(express, (2 | type << 4) << 16)
        // Function Level Reset Capability, and the bit that starts one, which reads 0.
        define(express + 4, 1 << 15 | (resets ? 1 << 28 : 0))
        define(express + 8, 0, writable: 0x7FFF | (resets ? 1 << 15 : 0), clearable: 0xF << 16)
        define(express + 0x24, completesDMWr ? 1 << 28 : 0)

        let errors = CapabilityOffset.errorReporting
        addExtendedCapability(CapabilityID.errorReporting, version: 2, at: errors)
        let known = UncorrectableError.dmwrEgressBlocked
        define(errors + 4, 0, clearable: known)
        define(errors + 8, 0, writable: known)
        define(errors + 12, 0, writable: known)

        let device3 = CapabilityOffset.device3
        addExtendedCapability(CapabilityID.device3, at: device3)
        define(device3 + 4, routesDMWr ? 1 : 0)
        define(device3 + 8, 0, writable: 1 | (routesDMWr ? 1 << 1 : 0))
    }
}
