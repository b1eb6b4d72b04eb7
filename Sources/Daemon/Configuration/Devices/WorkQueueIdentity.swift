package import IDXD

/// What the Linux driver keeps of a WQ beyond its configuration, in words of sysfs (dsa-device 8.4).
package struct WorkQueueIdentity: Hashable, Sendable {
    /// Whom it is for.
    package let type: WorkQueueType
    /// Its name, up to 1024 bytes.
    package var name: String
    /// The driver that may bind it.
    package var driverName: String
    /// How often the kernel submits again for a program that writes descriptors; `nil` for the driver's own number.
    package var retries: Int?

    /// A WQ whose driver is the one of its type.
    package init(type: WorkQueueType, name: String) {
        self.type = type
        self.name = name
        driverName = Self.driver(of: type)?.rawValue ?? ""
    }

    /// The driver of the WQs of a type.
    static func driver(of type: WorkQueueType) -> BusDriver? {
        switch type {
        case .none: nil
        case .kernel: .dmaengine
        case .user: .user
        }
    }
}
