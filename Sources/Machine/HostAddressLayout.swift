public import DSASpec
internal import IOMMU
public import PCIe

/// Where the fabric decodes the BARs of the devices: one region index per device, above all memory
/// (``PhysicalMemory``).
public enum HostAddressLayout {
    /// The most devices one machine can have.
    public static let deviceCountMax = 64

    private static let bar2Offset: UInt64 = 1 << 24

    /// Where BAR0 and BAR2 of a device begin.
    static func bars(ofDevice index: Int) -> (registers: HostPhysicalAddress, portals: HostPhysicalAddress) {
        let base = UInt64(PhysicalMemory.mmioRegionIndex + index) << 36
        return (HostPhysicalAddress(rawValue: base), HostPhysicalAddress(rawValue: base + bar2Offset))
    }

    /// The host physical address of a portal's page.
    public static func portalPage(_ portal: Portal, ofDevice index: Int) -> HostPhysicalAddress {
        HostPhysicalAddress(
            rawValue: UInt64(PhysicalMemory.mmioRegionIndex + index) << 36 | bar2Offset + portal.bar2Offset)
    }

    /// The host physical address of a device's dummy portal (dsa-device 6.2, 7.1): a page of BAR0.
    public static func dummyPortalPage(ofDevice index: Int) -> HostPhysicalAddress {
        HostPhysicalAddress(
            rawValue: UInt64(PhysicalMemory.mmioRegionIndex + index) << 36 | UInt64(RegisterLayout.dummyPortalOffset))
    }

    /// What claims a 64-byte write to `address`.
    @inline(__always)
    static func target(of address: HostPhysicalAddress) -> Target {
        let region = Int(truncatingIfNeeded: address.rawValue >> 36)
        guard region >= PhysicalMemory.mmioRegionIndex else { return .memory }
        let offset = address.rawValue & (PhysicalMemory.regionByteCountMax - 1)
        guard offset >= bar2Offset else {
            return offset >> 12 == UInt64(RegisterLayout.dummyPortalOffset) >> 12
                ? .dummyPortal(device: region - PhysicalMemory.mmioRegionIndex) : .nothing
        }
        return .portal(device: region - PhysicalMemory.mmioRegionIndex, Portal(bar2Offset: offset - bar2Offset))
    }

    enum Target {
        case memory
        /// The page of BAR0 that answers as the portal of a disabled WQ. The device need not exist.
        case dummyPortal(device: Int)
        /// The device or the WQ need not exist.
        case portal(device: Int, Portal)
        case nothing
    }
}
