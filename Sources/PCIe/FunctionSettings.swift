/// What system software sets in a function's configuration space and the function obeys: Command, and the ATS, PASID,
/// PRS and VC capabilities (PCIe 6.0 §7.5.1.1.3, §7.8.9, §7.9, §10.5).
public struct FunctionSettings: Hashable, Sendable {
    /// Command, Bus Master Enable: the function may send memory requests.
    public var isBusMasterEnabled = false
    /// ATS Control, Enable.
    public var isATSEnabled = false
    /// PASID Control, PASID Enable.
    public var isPASIDEnabled = false
    /// PASID Control, Privileged Mode Enable.
    public var isPrivilegedModeEnabled = false
    /// Page Request Control, Enable.
    public var isPageRequestEnabled = false
    /// Outstanding Page Request Allocation (PRSREQALLOC): how many requests may be unanswered at a time, 32 bits.
    public var pageRequestAllocation = 0
    /// Bit n: TC n is mapped to an enabled virtual channel. After power-on VC0 has them all.
    public var trafficClasses: UInt8 = 0xFF

    /// The values after power-on and after a function level reset: everything off.
    public init() {}
}
