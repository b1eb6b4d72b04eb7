/// A register of BAR0 at a fixed offset (dsa-device 7.1). Tables lie where OFFSETS says: ``RegisterLayout``.
public enum Register: UInt16, Hashable, Sendable, CaseIterable {
    case version = 0x00
    case generalCapabilities = 0x10
    case workQueueCapabilities = 0x20
    case groupCapabilities = 0x30
    case engineCapabilities = 0x38
    case operationCapabilities = 0x40
    case tableOffsets = 0x60
    case generalConfiguration = 0x80
    case generalControl = 0x88
    case generalStatus = 0x90
    case interruptCause = 0x98
    case command = 0xA0
    case commandStatus = 0xA8
    case commandCapabilities = 0xB0
    case softwareError = 0xC0
    case eventLogConfiguration = 0xE0
    case eventLogStatus = 0xF0
    case interDomainCapabilities = 0x100
    case interDomainBitmap = 0x108
    case dsaCapabilities0 = 0x180
    case dsaCapabilities1 = 0x188
    case dsaCapabilities2 = 0x190

    /// Where the register begins in BAR0.
    @inlinable public var offset: Int { Int(rawValue) }

    /// How many bytes it has, a multiple of 4.
    public var byteCount: Int {
        switch self {
        case .version, .generalConfiguration, .generalControl, .generalStatus, .interruptCause, .command,
            .commandStatus, .commandCapabilities:
            4
        case .generalCapabilities, .workQueueCapabilities, .groupCapabilities, .engineCapabilities, .eventLogStatus,
            .interDomainCapabilities, .interDomainBitmap, .dsaCapabilities0, .dsaCapabilities1, .dsaCapabilities2:
            8
        case .tableOffsets, .eventLogConfiguration:
            16
        case .operationCapabilities, .softwareError:
            32
        }
    }

    /// The specification's name.
    public var name: String {
        switch self {
        case .version: "VERSION"
        case .generalCapabilities: "GENCAP"
        case .workQueueCapabilities: "WQCAP"
        case .groupCapabilities: "GRPCAP"
        case .engineCapabilities: "ENGCAP"
        case .operationCapabilities: "OPCAP"
        case .tableOffsets: "OFFSETS"
        case .generalConfiguration: "GENCFG"
        case .generalControl: "GENCTRL"
        case .generalStatus: "GENSTS"
        case .interruptCause: "INTCAUSE"
        case .command: "CMD"
        case .commandStatus: "CMDSTATUS"
        case .commandCapabilities: "CMDCAP"
        case .softwareError: "SWERROR"
        case .eventLogConfiguration: "EVLCFG"
        case .eventLogStatus: "EVLSTATUS"
        case .interDomainCapabilities: "IDCAP"
        case .interDomainBitmap: "IDBMR"
        case .dsaCapabilities0: "DSACAP0"
        case .dsaCapabilities1: "DSACAP1"
        case .dsaCapabilities2: "DSACAP2"
        }
    }

    /// What software may do with the register.
    public var access: RegisterAccess {
        switch self {
        case .generalConfiguration, .eventLogConfiguration: .readWriteWhileDisabled
        case .generalControl, .interDomainBitmap: .readWrite
        case .interruptCause: .writeOneToClear
        case .command: .writeOnly
        case .softwareError, .eventLogStatus: .mixed
        default: .readOnly
        }
    }
}

/// What software may do with a register (dsa-device 7.1).
public enum RegisterAccess: Hashable, Sendable {
    case readOnly
    case readWrite
    /// Writes count only while the device is Disabled.
    case readWriteWhileDisabled
    /// A written 1 clears its bit.
    case writeOneToClear
    /// Reads as 0.
    case writeOnly
    /// Differs from field to field.
    case mixed
}
