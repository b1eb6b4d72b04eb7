public import PCIe

/// What one virtual device is composed of: a type of the Virtual Device Composition Module (virtualization §8.5).
public enum InterfaceType: String, Hashable, Sendable, CaseIterable {
    /// A dedicated WQ of its own, one per virtual device.
    case dedicatedQueue = "1dwq-v1"
    /// A share of a shared WQ: no queue of its own, and no limit but PASIDs.
    case sharedQueue = "1swq-v1"
}

/// An Assignable Device Interface (ADI): the share of a device that one virtual device of a VM has.
public struct Interface: Hashable, Sendable {
    /// What it is composed of.
    public let type: InterfaceType
    /// The index of the device.
    public let device: Int
    /// The WQ behind it.
    public let workQueue: Int
    /// The VM that has it.
    public let vm: Int
    /// The only portal of the device that its VM has mapped: the limited one of ``workQueue``.
    public let portal: GuestPhysicalAddress
    /// The host PASID in WQCFG of a dedicated WQ; `nil` for a shared one, where descriptors carry it.
    public let pasid: HostPASID?
}

/// Names an interface until it is released.
public struct InterfaceID: Hashable, Sendable {
    let index: Int
}

/// Why a device is not shared any further. Nothing has changed.
public enum SharingRefusal: Error, Hashable, Sendable {
    /// There is no such device.
    case unknownDevice
    /// Every one of the device's dedicated WQs, `count` of them, has a virtual device or is enabled for the host.
    case noDedicatedQueue(count: Int)
    /// The device has no shared WQ that is enabled.
    case noSharedQueue
    /// A vCPU of the VM translates no PASIDs, so that a guest PASID would reach the device as it is (V-13).
    case pasidTranslationOff
    /// The guest PASID of a dedicated WQ is not bound to the device.
    case notBound(GuestPASID)
    /// The device refuses to enable the WQ.
    case deviceRefused
    /// The VM's address space has no room for the portal, or no frame is free.
    case notMapped
    /// The function has `total` virtual functions, and not `wanted`.
    case virtualFunctionCount(wanted: Int, total: Int)
    /// Virtual functions exist already: their number changes only through 0.
    case virtualFunctionsEnabled
    /// The function is in use: virtual functions are made of a disabled device.
    case functionEnabled
    /// The machine has no place for another function.
    case noFunction
}
