/// The commands of the protocol, one per `service` method of `Protos/swq/v1`. The raw value is the name on the wire.
///
/// What each does, and who may use it when, stands at the method.
package enum Command: String, CaseIterable, Sendable {
    // Session: Protos/swq/v1/session.proto
    case qmpCapabilities = "qmp_capabilities"
    case authenticate
    case queryVersion = "query-version"
    case queryCommands = "query-commands"
    case querySchema = "query-schema"
    case queryStatus = "query-status"
    case queryConnection = "query-connection"
    case subscribeEvents = "subscribe-events"
    case shutdown

    // Processor: Protos/swq/v1/processor.proto
    case attachProcess = "attach-process"
    case detach
    case createVm = "create-vm"
    case destroyVm = "destroy-vm"
    case attachVcpu = "attach-vcpu"
    case queryProcessor = "query-processor"
    case readMsr = "read-msr"
    case writeMsr = "write-msr"
    case writeCr3 = "write-cr3"
    case setCpl = "set-cpl"
    case mapPortal = "map-portal"
    case unmapPortal = "unmap-portal"
    case enqcmd
    case enqcmds
    case movdir64b
    case umwait

    // vCPU: Protos/swq/v1/vcpu.proto
    case hlt
    case wakeVcpu = "wake-vcpu"
    case cpuid
    case xsaves
    case xrstors
    case queryVm = "query-vm"

    // Memory: Protos/swq/v1/memory.proto
    case allocMemory = "alloc-memory"
    case createSharedMemory = "create-shared-memory"
    case attachSharedMemory = "attach-shared-memory"
    case freeMemory = "free-memory"
    case protectMemory = "protect-memory"
    case readMemory = "read-memory"
    case writeMemory = "write-memory"
    case queryMemory = "query-memory"

    // Page requests: Protos/swq/v1/page.proto
    case servePageRequests = "serve-page-requests"
    case pageResponse = "page-response"
    case queryPageRequests = "query-page-requests"

    // IOMMU: Protos/swq/v1/iommu.proto
    case invalidateIotlb = "invalidate-iotlb"
    case queryIommuFaults = "query-iommu-faults"

    // IOASID: Protos/swq/v1/ioasid.proto
    case allocIoasid = "alloc-ioasid"
    case freeIoasid = "free-ioasid"
    case bindProcess = "bind-process"
    case unbindProcess = "unbind-process"
    case bindGuestPasid = "bind-guest-pasid"
    case unbindGuestPasid = "unbind-guest-pasid"
    case queryIoasids = "query-ioasids"
    case queryIoasidSets = "query-ioasid-sets"

    // Device: Protos/swq/v1/device.proto
    case queryDevices = "query-devices"
    case deviceCommand = "device-command"
    case configureWq = "configure-wq"
    case clearSoftwareError = "clear-software-error"
    case xEngineHold = "x-engine-hold"

    // Register: Protos/swq/v1/register.proto
    case readRegister = "read-register"
    case writeRegister = "write-register"
    case queryFunction = "query-function"
    case configureFunction = "configure-function"
    case resetFunction = "reset-function"
    case xDeviceHalt = "x-device-halt"

    // Fabric: Protos/swq/v1/fabric.proto
    case readConfig = "read-config"
    case writeConfig = "write-config"
    case queryFabric = "query-fabric"

    // Interrupt: Protos/swq/v1/interrupt.proto
    case requestInterrupt = "request-interrupt"
    case releaseInterrupt = "release-interrupt"
    case attachInterrupt = "attach-interrupt"
    case detachInterrupt = "detach-interrupt"
    case setInterruptEventfd = "set-interrupt-eventfd"

    // Idxd: Protos/swq/v1/idxd.proto
    case queryIdxd = "query-idxd"
    case readAttribute = "read-attribute"
    case writeAttribute = "write-attribute"
    case openWq = "open-wq"
    case closeWq = "close-wq"
    case unmapWq = "unmap-wq"
    case pollWq = "poll-wq"
    case writeWq = "write-wq"

    // Ring: Protos/swq/v1/ring.proto
    case attachRing = "attach-ring"
    case detachRing = "detach-ring"
    case queryRings = "query-rings"

    // Injection: Protos/swq/v1/injection.proto
    case injectFault = "inject-fault"
    case queryInjections = "query-injections"
    case removeInjection = "remove-injection"

    // History: Protos/swq/v1/history.proto
    case queryHistory = "query-history"
    case queryBindings = "query-bindings"
    case xHistoryHold = "x-history-hold"
}
