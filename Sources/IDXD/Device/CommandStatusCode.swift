/// What `cmd_status` shows: bits 7:0 of CMDSTATUS after a command, or with bit 31 a code of the driver's own
/// (dsa-device 8.5).
public struct CommandStatusCode: RawRepresentable, Hashable, Sendable {
    /// The 32 bits.
    public let rawValue: UInt32

    /// The status of these bits.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Success, or nothing since the last write.
    public static let success = Self(rawValue: 0)
    /// Bind of a device that is not Disabled.
    public static let deviceEnabled = Self(rawValue: 0x8000_0010)
    /// The device is not enabled.
    public static let deviceNotEnabled = Self(rawValue: 0x8000_0020)
    /// The WQ is not Disabled.
    public static let workQueueEnabled = Self(rawValue: 0x8000_0021)
    /// The WQ is in no group.
    public static let workQueueWithoutGroup = Self(rawValue: 0x8003_0000)
    /// The WQ has no name.
    public static let workQueueWithoutName = Self(rawValue: 0x8004_0000)
    /// The WQ is shared, without PASIDs or on a device that has no shared WQs.
    public static let workQueueWithoutSVM = Self(rawValue: 0x8005_0000)
    /// The WQ is shared and has threshold 0.
    public static let workQueueWithoutThreshold = Self(rawValue: 0x8006_0000)
    /// A WQ in a group is shared, without PASIDs or on a device that has no shared WQs.
    public static let sharedModeUnsupported = Self(rawValue: 0x800C_0000)
    /// No WQ is in a group.
    public static let nothingConfigured = Self(rawValue: 0x800D_0000)
    /// A dedicated WQ of the kernel with PASIDs needs privileged mode.
    public static let privilegedModeNeeded = Self(rawValue: 0x800F_0000)
    /// A WQ for users needs PASIDs.
    public static let userWithoutSVA = Self(rawValue: 0x8011_0000)
    /// `driver_name` names another driver.
    public static let driverNameMismatch = Self(rawValue: 0x8020_0000)
}
