package import ProtocolMessages
package import SwiftProtobuf

/// A request that fits its definition: one case per command, holding the command's arguments.
///
/// In which states a case is legal stands at its method in `Protos/swq/v1`; `CommandDescription.rule` says so in data.
package enum Request: Sendable {
    case qmpCapabilities(WireQmpCapabilitiesArguments)
    case authenticate(WireAuthenticateArguments)
    case queryVersion
    case queryCommands
    case querySchema
    case queryStatus
    case queryConnection
    case subscribeEvents(WireSubscribeEventsArguments)
    case shutdown
    case attachProcess(WireAttachProcessArguments)
    case detach
    case createVm(WireCreateVmArguments)
    case destroyVm(WireDestroyVmArguments)
    case attachVcpu(WireAttachVcpuArguments)
    case queryProcessor
    case readMsr(WireReadMsrArguments)
    case writeMsr(WireWriteMsrArguments)
    case writeCr3(WireWriteCr3Arguments)
    case setCpl(WireSetCplArguments)
    case mapPortal(WireMapPortalArguments)
    case unmapPortal(WireUnmapPortalArguments)
    case enqcmd(WireSubmissionArguments)
    case enqcmds(WireSubmissionArguments)
    case movdir64b(WireSubmissionArguments)
    case umwait(WireUmwaitArguments)
    case hlt
    case wakeVcpu(WireWakeVcpuArguments)
    case cpuid(WireCpuidArguments)
    case xsaves(WireExtendedStateArguments)
    case xrstors(WireExtendedStateArguments)
    case queryVm(WireQueryVmArguments)
    case allocMemory(WireAllocMemoryArguments)
    case createSharedMemory(WireCreateSharedMemoryArguments)
    case attachSharedMemory(WireAttachSharedMemoryArguments)
    case freeMemory(WireFreeMemoryArguments)
    case protectMemory(WireProtectMemoryArguments)
    case readMemory(WireReadMemoryArguments)
    case writeMemory(WireWriteMemoryArguments)
    case queryMemory(WireQueryMemoryArguments)
    case servePageRequests(WireServePageRequestsArguments)
    case pageResponse(WirePageResponseArguments)
    case queryPageRequests(WireQueryPageRequestsArguments)
    case invalidateIotlb(WireInvalidateIotlbArguments)
    case queryIommuFaults(WireQueryIommuFaultsArguments)
    case allocIoasid(WireAllocIoasidArguments)
    case freeIoasid(WireFreeIoasidArguments)
    case bindProcess(WireBindProcessArguments)
    case unbindProcess(WireUnbindProcessArguments)
    case bindGuestPasid(WireBindGuestPasidArguments)
    case unbindGuestPasid(WireUnbindGuestPasidArguments)
    case queryIoasids(WireQueryIoasidsArguments)
    case queryIoasidSets
    case queryDevices(WireQueryDevicesArguments)
    case deviceCommand(WireDeviceCommandArguments)
    case configureWq(WireConfigureWqArguments)
    case clearSoftwareError(WireClearSoftwareErrorArguments)
    case xEngineHold(WireXEngineHoldArguments)
    case readRegister(WireReadRegisterArguments)
    case writeRegister(WireWriteRegisterArguments)
    case queryFunction(WireQueryFunctionArguments)
    case configureFunction(WireConfigureFunctionArguments)
    case resetFunction(WireResetFunctionArguments)
    case xDeviceHalt(WireXDeviceHaltArguments)
    case readConfig(WireReadConfigArguments)
    case writeConfig(WireWriteConfigArguments)
    case queryFabric
    case requestInterrupt(WireRequestInterruptArguments)
    case releaseInterrupt(WireReleaseInterruptArguments)
    case attachInterrupt(WireAttachInterruptArguments)
    case detachInterrupt(WireDetachInterruptArguments)
    case setInterruptEventfd(WireSetInterruptEventfdArguments)
    case queryIdxd
    case readAttribute(WireReadAttributeArguments)
    case writeAttribute(WireWriteAttributeArguments)
    case openWq(WireOpenWqArguments)
    case closeWq(WireCloseWqArguments)
    case unmapWq(WireUnmapWqArguments)
    case pollWq(WirePollWqArguments)
    case writeWq(WireWriteWqArguments)
    case injectFault(WireInjectFaultArguments)
    case queryInjections
    case removeInjection(WireRemoveInjectionArguments)
    case attachRing
    case detachRing
    case queryRings
    case queryHistory(WireQueryHistoryArguments)
    case queryBindings(WireQueryBindingsArguments)
    case xHistoryHold(WireXHistoryHoldArguments)

    /// The command.
    package var command: Command {
        switch self {
        case .qmpCapabilities: .qmpCapabilities
        case .authenticate: .authenticate
        case .queryVersion: .queryVersion
        case .queryCommands: .queryCommands
        case .querySchema: .querySchema
        case .queryStatus: .queryStatus
        case .queryConnection: .queryConnection
        case .subscribeEvents: .subscribeEvents
        case .shutdown: .shutdown
        case .attachProcess: .attachProcess
        case .detach: .detach
        case .createVm: .createVm
        case .destroyVm: .destroyVm
        case .attachVcpu: .attachVcpu
        case .queryProcessor: .queryProcessor
        case .readMsr: .readMsr
        case .writeMsr: .writeMsr
        case .writeCr3: .writeCr3
        case .setCpl: .setCpl
        case .mapPortal: .mapPortal
        case .unmapPortal: .unmapPortal
        case .enqcmd: .enqcmd
        case .enqcmds: .enqcmds
        case .movdir64b: .movdir64b
        case .umwait: .umwait
        case .hlt: .hlt
        case .wakeVcpu: .wakeVcpu
        case .cpuid: .cpuid
        case .xsaves: .xsaves
        case .xrstors: .xrstors
        case .queryVm: .queryVm
        case .allocMemory: .allocMemory
        case .createSharedMemory: .createSharedMemory
        case .attachSharedMemory: .attachSharedMemory
        case .freeMemory: .freeMemory
        case .protectMemory: .protectMemory
        case .readMemory: .readMemory
        case .writeMemory: .writeMemory
        case .queryMemory: .queryMemory
        case .servePageRequests: .servePageRequests
        case .pageResponse: .pageResponse
        case .queryPageRequests: .queryPageRequests
        case .invalidateIotlb: .invalidateIotlb
        case .queryIommuFaults: .queryIommuFaults
        case .allocIoasid: .allocIoasid
        case .freeIoasid: .freeIoasid
        case .bindProcess: .bindProcess
        case .unbindProcess: .unbindProcess
        case .bindGuestPasid: .bindGuestPasid
        case .unbindGuestPasid: .unbindGuestPasid
        case .queryIoasids: .queryIoasids
        case .queryIoasidSets: .queryIoasidSets
        case .queryDevices: .queryDevices
        case .deviceCommand: .deviceCommand
        case .configureWq: .configureWq
        case .clearSoftwareError: .clearSoftwareError
        case .xEngineHold: .xEngineHold
        case .readRegister: .readRegister
        case .writeRegister: .writeRegister
        case .queryFunction: .queryFunction
        case .configureFunction: .configureFunction
        case .resetFunction: .resetFunction
        case .xDeviceHalt: .xDeviceHalt
        case .readConfig: .readConfig
        case .writeConfig: .writeConfig
        case .queryFabric: .queryFabric
        case .requestInterrupt: .requestInterrupt
        case .releaseInterrupt: .releaseInterrupt
        case .attachInterrupt: .attachInterrupt
        case .detachInterrupt: .detachInterrupt
        case .setInterruptEventfd: .setInterruptEventfd
        case .queryIdxd: .queryIdxd
        case .readAttribute: .readAttribute
        case .writeAttribute: .writeAttribute
        case .openWq: .openWq
        case .closeWq: .closeWq
        case .unmapWq: .unmapWq
        case .pollWq: .pollWq
        case .writeWq: .writeWq
        case .injectFault: .injectFault
        case .queryInjections: .queryInjections
        case .removeInjection: .removeInjection
        case .attachRing: .attachRing
        case .detachRing: .detachRing
        case .queryRings: .queryRings
        case .queryHistory: .queryHistory
        case .queryBindings: .queryBindings
        case .xHistoryHold: .xHistoryHold
        }
    }

    /// The arguments as a message; nil for a command that takes none.
    package var arguments: (any SwiftProtobuf.Message)? {
        switch self {
        case .qmpCapabilities(let arguments): arguments
        case .authenticate(let arguments): arguments
        case .subscribeEvents(let arguments): arguments
        case .attachProcess(let arguments): arguments
        case .createVm(let arguments): arguments
        case .destroyVm(let arguments): arguments
        case .attachVcpu(let arguments): arguments
        case .readMsr(let arguments): arguments
        case .writeMsr(let arguments): arguments
        case .writeCr3(let arguments): arguments
        case .setCpl(let arguments): arguments
        case .mapPortal(let arguments): arguments
        case .unmapPortal(let arguments): arguments
        case .enqcmd(let arguments): arguments
        case .enqcmds(let arguments): arguments
        case .movdir64b(let arguments): arguments
        case .umwait(let arguments): arguments
        case .wakeVcpu(let arguments): arguments
        case .cpuid(let arguments): arguments
        case .xsaves(let arguments): arguments
        case .xrstors(let arguments): arguments
        case .queryVm(let arguments): arguments
        case .allocMemory(let arguments): arguments
        case .createSharedMemory(let arguments): arguments
        case .attachSharedMemory(let arguments): arguments
        case .freeMemory(let arguments): arguments
        case .protectMemory(let arguments): arguments
        case .readMemory(let arguments): arguments
        case .writeMemory(let arguments): arguments
        case .queryMemory(let arguments): arguments
        case .servePageRequests(let arguments): arguments
        case .pageResponse(let arguments): arguments
        case .queryPageRequests(let arguments): arguments
        case .invalidateIotlb(let arguments): arguments
        case .queryIommuFaults(let arguments): arguments
        case .allocIoasid(let arguments): arguments
        case .freeIoasid(let arguments): arguments
        case .bindProcess(let arguments): arguments
        case .unbindProcess(let arguments): arguments
        case .bindGuestPasid(let arguments): arguments
        case .unbindGuestPasid(let arguments): arguments
        case .queryIoasids(let arguments): arguments
        case .queryDevices(let arguments): arguments
        case .deviceCommand(let arguments): arguments
        case .configureWq(let arguments): arguments
        case .clearSoftwareError(let arguments): arguments
        case .xEngineHold(let arguments): arguments
        case .readRegister(let arguments): arguments
        case .writeRegister(let arguments): arguments
        case .queryFunction(let arguments): arguments
        case .configureFunction(let arguments): arguments
        case .resetFunction(let arguments): arguments
        case .xDeviceHalt(let arguments): arguments
        case .readConfig(let arguments): arguments
        case .writeConfig(let arguments): arguments
        case .requestInterrupt(let arguments): arguments
        case .releaseInterrupt(let arguments): arguments
        case .attachInterrupt(let arguments): arguments
        case .detachInterrupt(let arguments): arguments
        case .setInterruptEventfd(let arguments): arguments
        case .readAttribute(let arguments): arguments
        case .writeAttribute(let arguments): arguments
        case .openWq(let arguments): arguments
        case .closeWq(let arguments): arguments
        case .unmapWq(let arguments): arguments
        case .pollWq(let arguments): arguments
        case .writeWq(let arguments): arguments
        case .injectFault(let arguments): arguments
        case .removeInjection(let arguments): arguments
        case .queryHistory(let arguments): arguments
        case .queryBindings(let arguments): arguments
        case .xHistoryHold(let arguments): arguments
        case .queryVersion, .queryCommands, .querySchema, .queryStatus, .queryConnection, .shutdown, .detach,
            .queryProcessor, .hlt, .queryIoasidSets, .queryFabric, .queryIdxd, .queryInjections, .attachRing,
            .detachRing, .queryRings:
            nil
        }
    }

    /// Decodes arguments that the walker has accepted for `command`.
    init(_ command: Command, acceptedArguments json: [UInt8]) throws {
        self =
            switch command {
            case .qmpCapabilities: .qmpCapabilities(try WireQmpCapabilitiesArguments(jsonUTF8Bytes: json))
            case .authenticate: .authenticate(try WireAuthenticateArguments(jsonUTF8Bytes: json))
            case .queryVersion: .queryVersion
            case .queryCommands: .queryCommands
            case .querySchema: .querySchema
            case .queryStatus: .queryStatus
            case .queryConnection: .queryConnection
            case .subscribeEvents: .subscribeEvents(try WireSubscribeEventsArguments(jsonUTF8Bytes: json))
            case .shutdown: .shutdown
            case .attachProcess: .attachProcess(try WireAttachProcessArguments(jsonUTF8Bytes: json))
            case .detach: .detach
            case .createVm: .createVm(try WireCreateVmArguments(jsonUTF8Bytes: json))
            case .destroyVm: .destroyVm(try WireDestroyVmArguments(jsonUTF8Bytes: json))
            case .attachVcpu: .attachVcpu(try WireAttachVcpuArguments(jsonUTF8Bytes: json))
            case .queryProcessor: .queryProcessor
            case .readMsr: .readMsr(try WireReadMsrArguments(jsonUTF8Bytes: json))
            case .writeMsr: .writeMsr(try WireWriteMsrArguments(jsonUTF8Bytes: json))
            case .writeCr3: .writeCr3(try WireWriteCr3Arguments(jsonUTF8Bytes: json))
            case .setCpl: .setCpl(try WireSetCplArguments(jsonUTF8Bytes: json))
            case .mapPortal: .mapPortal(try WireMapPortalArguments(jsonUTF8Bytes: json))
            case .unmapPortal: .unmapPortal(try WireUnmapPortalArguments(jsonUTF8Bytes: json))
            case .enqcmd: .enqcmd(try WireSubmissionArguments(jsonUTF8Bytes: json))
            case .enqcmds: .enqcmds(try WireSubmissionArguments(jsonUTF8Bytes: json))
            case .movdir64b: .movdir64b(try WireSubmissionArguments(jsonUTF8Bytes: json))
            case .umwait: .umwait(try WireUmwaitArguments(jsonUTF8Bytes: json))
            case .hlt: .hlt
            case .wakeVcpu: .wakeVcpu(try WireWakeVcpuArguments(jsonUTF8Bytes: json))
            case .cpuid: .cpuid(try WireCpuidArguments(jsonUTF8Bytes: json))
            case .xsaves: .xsaves(try WireExtendedStateArguments(jsonUTF8Bytes: json))
            case .xrstors: .xrstors(try WireExtendedStateArguments(jsonUTF8Bytes: json))
            case .queryVm: .queryVm(try WireQueryVmArguments(jsonUTF8Bytes: json))
            case .allocMemory: .allocMemory(try WireAllocMemoryArguments(jsonUTF8Bytes: json))
            case .createSharedMemory: .createSharedMemory(try WireCreateSharedMemoryArguments(jsonUTF8Bytes: json))
            case .attachSharedMemory: .attachSharedMemory(try WireAttachSharedMemoryArguments(jsonUTF8Bytes: json))
            case .freeMemory: .freeMemory(try WireFreeMemoryArguments(jsonUTF8Bytes: json))
            case .protectMemory: .protectMemory(try WireProtectMemoryArguments(jsonUTF8Bytes: json))
            case .readMemory: .readMemory(try WireReadMemoryArguments(jsonUTF8Bytes: json))
            case .writeMemory: .writeMemory(try WireWriteMemoryArguments(jsonUTF8Bytes: json))
            case .queryMemory: .queryMemory(try WireQueryMemoryArguments(jsonUTF8Bytes: json))
            case .servePageRequests: .servePageRequests(try WireServePageRequestsArguments(jsonUTF8Bytes: json))
            case .pageResponse: .pageResponse(try WirePageResponseArguments(jsonUTF8Bytes: json))
            case .queryPageRequests: .queryPageRequests(try WireQueryPageRequestsArguments(jsonUTF8Bytes: json))
            case .invalidateIotlb: .invalidateIotlb(try WireInvalidateIotlbArguments(jsonUTF8Bytes: json))
            case .queryIommuFaults: .queryIommuFaults(try WireQueryIommuFaultsArguments(jsonUTF8Bytes: json))
            case .allocIoasid: .allocIoasid(try WireAllocIoasidArguments(jsonUTF8Bytes: json))
            case .freeIoasid: .freeIoasid(try WireFreeIoasidArguments(jsonUTF8Bytes: json))
            case .bindProcess: .bindProcess(try WireBindProcessArguments(jsonUTF8Bytes: json))
            case .unbindProcess: .unbindProcess(try WireUnbindProcessArguments(jsonUTF8Bytes: json))
            case .bindGuestPasid: .bindGuestPasid(try WireBindGuestPasidArguments(jsonUTF8Bytes: json))
            case .unbindGuestPasid: .unbindGuestPasid(try WireUnbindGuestPasidArguments(jsonUTF8Bytes: json))
            case .queryIoasids: .queryIoasids(try WireQueryIoasidsArguments(jsonUTF8Bytes: json))
            case .queryIoasidSets: .queryIoasidSets
            case .queryDevices: .queryDevices(try WireQueryDevicesArguments(jsonUTF8Bytes: json))
            case .deviceCommand: .deviceCommand(try WireDeviceCommandArguments(jsonUTF8Bytes: json))
            case .configureWq: .configureWq(try WireConfigureWqArguments(jsonUTF8Bytes: json))
            case .clearSoftwareError: .clearSoftwareError(try WireClearSoftwareErrorArguments(jsonUTF8Bytes: json))
            case .xEngineHold: .xEngineHold(try WireXEngineHoldArguments(jsonUTF8Bytes: json))
            case .readRegister: .readRegister(try WireReadRegisterArguments(jsonUTF8Bytes: json))
            case .writeRegister: .writeRegister(try WireWriteRegisterArguments(jsonUTF8Bytes: json))
            case .queryFunction: .queryFunction(try WireQueryFunctionArguments(jsonUTF8Bytes: json))
            case .configureFunction: .configureFunction(try WireConfigureFunctionArguments(jsonUTF8Bytes: json))
            case .resetFunction: .resetFunction(try WireResetFunctionArguments(jsonUTF8Bytes: json))
            case .xDeviceHalt: .xDeviceHalt(try WireXDeviceHaltArguments(jsonUTF8Bytes: json))
            case .readConfig: .readConfig(try WireReadConfigArguments(jsonUTF8Bytes: json))
            case .writeConfig: .writeConfig(try WireWriteConfigArguments(jsonUTF8Bytes: json))
            case .queryFabric: .queryFabric
            case .requestInterrupt: .requestInterrupt(try WireRequestInterruptArguments(jsonUTF8Bytes: json))
            case .releaseInterrupt: .releaseInterrupt(try WireReleaseInterruptArguments(jsonUTF8Bytes: json))
            case .attachInterrupt: .attachInterrupt(try WireAttachInterruptArguments(jsonUTF8Bytes: json))
            case .detachInterrupt: .detachInterrupt(try WireDetachInterruptArguments(jsonUTF8Bytes: json))
            case .setInterruptEventfd: .setInterruptEventfd(try WireSetInterruptEventfdArguments(jsonUTF8Bytes: json))
            case .queryIdxd: .queryIdxd
            case .readAttribute: .readAttribute(try WireReadAttributeArguments(jsonUTF8Bytes: json))
            case .writeAttribute: .writeAttribute(try WireWriteAttributeArguments(jsonUTF8Bytes: json))
            case .openWq: .openWq(try WireOpenWqArguments(jsonUTF8Bytes: json))
            case .closeWq: .closeWq(try WireCloseWqArguments(jsonUTF8Bytes: json))
            case .unmapWq: .unmapWq(try WireUnmapWqArguments(jsonUTF8Bytes: json))
            case .pollWq: .pollWq(try WirePollWqArguments(jsonUTF8Bytes: json))
            case .writeWq: .writeWq(try WireWriteWqArguments(jsonUTF8Bytes: json))
            case .injectFault: .injectFault(try WireInjectFaultArguments(jsonUTF8Bytes: json))
            case .queryInjections: .queryInjections
            case .removeInjection: .removeInjection(try WireRemoveInjectionArguments(jsonUTF8Bytes: json))
            case .attachRing: .attachRing
            case .detachRing: .detachRing
            case .queryRings: .queryRings
            case .queryHistory: .queryHistory(try WireQueryHistoryArguments(jsonUTF8Bytes: json))
            case .queryBindings: .queryBindings(try WireQueryBindingsArguments(jsonUTF8Bytes: json))
            case .xHistoryHold: .xHistoryHold(try WireXHistoryHoldArguments(jsonUTF8Bytes: json))
            }
    }
}
