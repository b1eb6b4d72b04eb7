public import DSASpec
public import PCIe

/// An interrupt on its way out of the device: the write that one entry of its tables sent.
public struct DeviceInterrupt: Hashable, Sendable {
    /// The entry that sent it.
    public let vector: InterruptVector
    /// What it wrote where.
    public let message: InterruptMessage
    /// The PASID of the entry's permission record when it was sent; `nil` without PASID Enable.
    public let pasid: HostPASID?
}
