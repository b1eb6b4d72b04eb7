/// What an endpoint's configuration space is built from.
public struct EndpointIdentity: Hashable, Sendable {
    /// Vendor ID.
    public var vendor: UInt16
    /// Device ID.
    public var device: UInt16
    /// Base class, subclass and programming interface, 24 bits.
    public var classCode: UInt32
    /// Entries of the MSI-X table, 1 to 2048.
    public var vectorCount: Int
    /// Where the table lies in BAR0.
    public var vectorTableOffset: UInt32
    /// Where the pending bits lie in BAR0.
    public var pendingBitsOffset: UInt32
    /// Outstanding Page Request Capacity; 0 for a function without page requests.
    public var pageRequestCapacity: UInt32
    /// BAR0: the registers, 64 bits.
    public var registers: HostPhysicalAddress
    /// BAR2: the portals, 64 bits.
    public var portals: HostPhysicalAddress
    /// TotalVFs; 0 for a function without SR-IOV.
    public var virtualFunctionCountMax: UInt16

    /// The identity with these values.
    public init(
        vendor: UInt16, device: UInt16, classCode: UInt32, vectorCount: Int, vectorTableOffset: UInt32,
        pendingBitsOffset: UInt32, pageRequestCapacity: UInt32, registers: HostPhysicalAddress,
        portals: HostPhysicalAddress,
        virtualFunctionCountMax: UInt16
    ) {
        self.vendor = vendor
        self.device = device
        self.classCode = classCode
        self.vectorCount = vectorCount
        self.vectorTableOffset = vectorTableOffset
        self.pendingBitsOffset = pendingBitsOffset
        self.pageRequestCapacity = pageRequestCapacity
        self.registers = registers
        self.portals = portals
        self.virtualFunctionCountMax = virtualFunctionCountMax
    }
}

extension ConfigurationSpace {
    /// The configuration space of an endpoint that completes DMWr.
    ///
    /// - Parameter isIntegrated: It is one of the root complex; otherwise it is behind a port.
    public init(_ identity: EndpointIdentity, isIntegrated: Bool) {
        self.init()
        define(0x00, UInt32(identity.device) << 16 | UInt32(identity.vendor))
        // Memory Space Enable, Bus Master Enable.
        define(0x04, 1 << 1, writable: 1 << 1 | Self.busMasterEnable)
        define(0x08, identity.classCode << 8)
        // BAR0 and BAR2: 64 bits, prefetchable.
        for (offset, base) in [(0x10, identity.registers.rawValue), (0x18, identity.portals.rawValue)] {
            define(offset, UInt32(truncatingIfNeeded: base) & ~0xF | 0b1100)
            define(offset + 4, UInt32(truncatingIfNeeded: base >> 32))
        }
        addExpress(type: isIntegrated ? 9 : 0, completesDMWr: true, routesDMWr: false, resets: true)

        let msix = CapabilityOffset.msix
        addCapability(CapabilityID.msix, at: msix)
        define(msix, UInt32(identity.vectorCount - 1) << 16 | 1 << 31)
        define(msix + 4, identity.vectorTableOffset)
        define(msix + 8, identity.pendingBitsOffset)

        addExtendedCapability(CapabilityID.addressTranslation, at: CapabilityOffset.addressTranslation)
        // Page Aligned Request; an invalidation queue of 32; Smallest Translation Unit 0.
        define(CapabilityOffset.addressTranslation + 4, 1 << 5, writable: Self.atsEnable)

        addExtendedCapability(CapabilityID.pasid, at: CapabilityOffset.pasid)
        // Privileged Mode, 20 bits.
        define(
            CapabilityOffset.pasid + 4, 1 << 2 | 20 << 8, writable: Self.pasidEnable | Self.privilegedModeEnable)

        if identity.pageRequestCapacity > 0 {
            let request = CapabilityOffset.pageRequest
            addExtendedCapability(CapabilityID.pageRequest, at: request)
            // Stopped and PRG Response PASID Required in the status.
            define(request + 4, 1 << 31, writable: Self.pageRequestEnable, clearable: 0b11 << 16)
            define(request + 8, identity.pageRequestCapacity)
            define(request + 12, 0, writable: .max)
        }
        if identity.virtualFunctionCountMax > 0 {
            let virtual = CapabilityOffset.singleRootIO
            addExtendedCapability(CapabilityID.singleRootIO, at: virtual)
            define(virtual + 8, 0, writable: Self.virtualFunctionEnable | 1 << 3)
            let total = UInt32(identity.virtualFunctionCountMax)
            define(virtual + 12, total << 16 | total)
            // NumVFs.
            define(virtual + 16, 0, writable: 0xFFFF)
            // First VF Offset and VF Stride 1.
            define(virtual + 20, 1 << 16 | 1)
            define(virtual + 24, UInt32(identity.device) << 16)
            // Pages of 4 KiB.
            define(virtual + 28, 1)
            define(virtual + 32, 1)
        }
    }

    private static let busMasterEnable: UInt32 = 1 << 2
    private static let atsEnable: UInt32 = 1 << 31
    private static let pasidEnable: UInt32 = 1 << 16
    private static let privilegedModeEnable: UInt32 = 1 << 18
    private static let pageRequestEnable: UInt32 = 1 << 0
    private static let virtualFunctionEnable: UInt32 = 1 << 0

    /// What the function obeys of an endpoint's registers. The traffic classes are those of a virtual channel, which
    /// this space does not show: they are kept.
    public var settings: FunctionSettings {
        get { settings(trafficClasses: FunctionSettings().trafficClasses) }
        set {
            set(Self.busMasterEnable, at: 0x04, newValue.isBusMasterEnabled)
            set(Self.atsEnable, at: CapabilityOffset.addressTranslation + 4, newValue.isATSEnabled)
            set(Self.pasidEnable, at: CapabilityOffset.pasid + 4, newValue.isPASIDEnabled)
            set(Self.privilegedModeEnable, at: CapabilityOffset.pasid + 4, newValue.isPrivilegedModeEnabled)
            guard extendedCapability(CapabilityID.pageRequest) != nil else { return }
            set(Self.pageRequestEnable, at: CapabilityOffset.pageRequest + 4, newValue.isPageRequestEnabled)
            self[CapabilityOffset.pageRequest + 12] = UInt32(clamping: newValue.pageRequestAllocation)
        }
    }

    /// ``settings`` with these traffic classes.
    public func settings(trafficClasses: UInt8) -> FunctionSettings {
        var settings = FunctionSettings()
        settings.isBusMasterEnabled = self[0x04] & Self.busMasterEnable != 0
        settings.isATSEnabled = self[CapabilityOffset.addressTranslation + 4] & Self.atsEnable != 0
        settings.isPASIDEnabled = self[CapabilityOffset.pasid + 4] & Self.pasidEnable != 0
        settings.isPrivilegedModeEnabled = self[CapabilityOffset.pasid + 4] & Self.privilegedModeEnable != 0
        if extendedCapability(CapabilityID.pageRequest) != nil {
            settings.isPageRequestEnabled = self[CapabilityOffset.pageRequest + 4] & Self.pageRequestEnable != 0
            settings.pageRequestAllocation = Int(self[CapabilityOffset.pageRequest + 12])
        }
        settings.trafficClasses = trafficClasses
        return settings
    }

    private mutating func set(_ bit: UInt32, at offset: Int, _ isSet: Bool) {
        if isSet { self[offset] |= bit } else { self[offset] &= ~bit }
    }

    /// Takes Initiate Function Level Reset (Device Control, bit 15), which reads 0.
    ///
    /// - Returns: Whether software has set it.
    public mutating func takeFunctionLevelReset() -> Bool {
        defer { set(1 << 15, at: CapabilityOffset.express + 8, false) }
        return self[CapabilityOffset.express + 8] & 1 << 15 != 0
    }
}
