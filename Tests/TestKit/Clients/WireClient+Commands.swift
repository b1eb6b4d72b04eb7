package import DSASpec
internal import Foundation
package import Platform
internal import Protocol
package import ProtocolMessages
internal import SwiftProtobuf

/// The commands that most tests need, with the defaults that most tests want.
extension WireClient {
    /// Becomes a thread of a new process, or of the one given; returns the process.
    @discardableResult
    package func attachProcess(_ process: UInt32? = nil) throws -> UInt32 {
        var arguments = WireAttachProcessArguments()
        if let process { arguments.process = process }
        return try call(.attachProcess(arguments), returning: WireAttachProcessReturn.self).process
    }

    package func createVM(name: String? = nil, quota: UInt32? = nil) throws -> UInt32 {
        var arguments = WireCreateVmArguments()
        if let name { arguments.name = name }
        if let quota { arguments.pasidQuota = quota }
        return try call(.createVm(arguments), returning: WireCreateVmReturn.self).vm
    }

    @discardableResult
    package func attachVCPU(vm: UInt32) throws -> UInt32 {
        try call(.attachVcpu(.with { $0.vm = vm }), returning: WireAttachVcpuReturn.self).vcpu
    }

    /// Hosted memory; returns its address.
    package func allocateMemory(_ byteCount: UInt64, at address: UInt64? = nil) throws -> UInt64 {
        var arguments = WireAllocMemoryArguments()
        arguments.size = byteCount
        if let address { arguments.address = Hexadecimal.text(address) }
        return try Self.number(call(.allocMemory(arguments), returning: WireAllocMemoryReturn.self).address)
    }

    /// Passes a memory file to the daemon; returns the address of the memory.
    package func attachSharedMemory(_ file: borrowing OwnedFD) throws -> UInt64 {
        let request = try send(.attachSharedMemory(.init()), attaching: [file.rawValue])
        return try Self.number(receive(request, returning: WireSharedMemoryReturn.self).address)
    }

    package func write(_ bytes: [UInt8], at address: UInt64, outOfBand: Bool = false) throws {
        try call(
            .writeMemory(
                .with {
                    $0.address = Hexadecimal.text(address)
                    $0.data = Data(bytes)
                }), outOfBand: outOfBand)
    }

    package func read(_ byteCount: UInt32, at address: UInt64, outOfBand: Bool = false) throws -> [UInt8] {
        let request = Request.readMemory(
            .with {
                $0.address = Hexadecimal.text(address)
                $0.size = byteCount
            })
        return Array(try call(request, outOfBand: outOfBand, returning: WireReadMemoryReturn.self).data)
    }

    /// Maps a portal of `dsa0`; returns its address.
    package func mapPortal(wq: UInt32 = 0, _ portal: WirePortal = .limited) throws -> UInt64 {
        let request = Request.mapPortal(
            .with {
                $0.device = "dsa0"
                $0.wq = wq
                $0.portal = portal
            })
        return try Self.number(call(request, returning: WireMapPortalReturn.self).address)
    }

    /// Binds the process to `dsa0`; returns its PASID.
    @discardableResult
    package func bindProcess() throws -> UInt32 {
        try call(.bindProcess(.with { $0.device = "dsa0" }), returning: WireBindProcessReturn.self).pasid
    }

    package func unbindProcess() throws {
        try call(.unbindProcess(.with { $0.device = "dsa0" }))
    }

    /// Binds a guest PASID for `dsa0`; returns the host PASID. With `firstLevel`, nested.
    @discardableResult
    package func bindGuestPASID(_ guestPASID: UInt32, vm: UInt32? = nil, firstLevel: UInt64? = nil) throws -> UInt32 {
        var arguments = WireBindGuestPasidArguments()
        arguments.guestPasid = guestPASID
        arguments.device = "dsa0"
        if let vm { arguments.vm = vm }
        if let firstLevel { arguments.firstLevel = Hexadecimal.text(firstLevel) }
        return try call(.bindGuestPasid(arguments), returning: WireBindGuestPasidReturn.self).ioasid
    }

    package func unbindGuestPASID(_ guestPASID: UInt32, vm: UInt32? = nil) throws {
        var arguments = WireUnbindGuestPasidArguments()
        arguments.guestPasid = guestPASID
        if let vm { arguments.vm = vm }
        try call(.unbindGuestPasid(arguments))
    }

    /// Writes IA32_PASID.
    package func setPASID(_ pasid: UInt32, isValid: Bool = true) throws {
        let request = Request.writeMsr(
            .with {
                $0.msr = "0xd93"
                $0.value = Hexadecimal.text(UInt64(pasid) | (isValid ? 1 << 31 : 0))
            })
        let result = try call(request, returning: WireWriteMsrReturn.self)
        guard !result.hasException else { throw TestFailure("WRMSR: \(result.exception)") }
    }

    package func enqcmd(_ descriptor: Descriptor, to portal: UInt64) throws -> WireSubmissionReturn {
        try call(.enqcmd(.init(descriptor, to: portal)))
    }

    package func enqcmds(_ descriptor: Descriptor, to portal: UInt64) throws -> WireSubmissionReturn {
        try call(.enqcmds(.init(descriptor, to: portal)))
    }

    package func movdir64b(_ descriptor: Descriptor, to portal: UInt64) throws -> WireMovdir64bReturn {
        try call(.movdir64b(.init(descriptor, to: portal)))
    }

    /// Waits until the status of the completion record at `address` is written, and returns the record.
    package func completion(at address: UInt64) throws -> CompletionRecord {
        let request = Request.umwait(
            .with {
                $0.address = Hexadecimal.text(address)
                $0.timeoutMs = UInt32(Deadline.milliseconds)
            })
        guard try call(request, returning: WireUmwaitReturn.self).changed else {
            throw TestFailure("no completion record at \(Hexadecimal.text(address))")
        }
        return CompletionRecord(bytes: try read(UInt32(CompletionRecord.byteCount), at: address))
    }

    package func status() throws -> WireQueryStatusReturn {
        try call(.queryStatus)
    }

    package func queryConnection() throws -> WireQueryConnectionReturn {
        try call(.queryConnection)
    }

    package func processor() throws -> WireQueryProcessorReturn {
        try call(.queryProcessor)
    }

    /// The only device.
    package func device() throws -> WireDeviceStatus {
        guard let device = try call(.queryDevices(.init()), returning: WireQueryDevicesReturn.self).items.first else {
            throw TestFailure("no device")
        }
        return device
    }

    package func workQueue(_ index: UInt32 = 0) throws -> WireWqStatus {
        guard let queue = try device().wqs.first(where: { $0.index == index }) else { throw TestFailure("no WQ") }
        return queue
    }

    package func ioasids() throws -> [WireIoasidStatus] {
        try call(.queryIoasids(.init()), returning: WireQueryIoasidsReturn.self).items
    }

    /// Events of the history, at most 1000.
    package func history(_ arguments: WireQueryHistoryArguments = .init()) throws -> [WireHistoryEvent] {
        var arguments = arguments
        arguments.limit = 1000
        return try call(.queryHistory(arguments), returning: WireQueryHistoryReturn.self).events
    }

    /// Holds or releases all engines of `dsa0`.
    package func holdEngines(_ isHeld: Bool = true) throws {
        try call(
            .xEngineHold(
                .with {
                    $0.device = "dsa0"
                    $0.hold = isHeld
                }))
    }

    /// Keeps binds and unbinds from becoming durable, or lets them.
    package func holdHistory(_ isHeld: Bool = true) throws {
        try call(.xHistoryHold(.with { $0.hold = isHeld }))
    }

    @discardableResult
    package func deviceCommand(
        _ command: WireDeviceCommandArguments.Command, operand: UInt64 = 0
    ) throws -> WireDeviceCommandReturn {
        try call(
            .deviceCommand(
                .with {
                    $0.device = "dsa0"
                    $0.command = command
                    $0.operand = Hexadecimal.text(operand)
                }))
    }

    /// Reads a register of `dsa0`.
    package func readRegister(_ offset: Int, size: UInt32 = 4) throws -> UInt64 {
        let answer = try call(
            .readRegister(
                .with {
                    $0.device = "dsa0"
                    $0.offset = Hexadecimal.text(UInt64(offset))
                    $0.size = size
                }), returning: WireReadRegisterReturn.self)
        return try Self.number(answer.value)
    }

    /// Writes a register of `dsa0`.
    package func writeRegister(_ offset: Int, size: UInt32 = 4, _ value: UInt64) throws {
        try call(
            .writeRegister(
                .with {
                    $0.device = "dsa0"
                    $0.offset = Hexadecimal.text(UInt64(offset))
                    $0.size = size
                    $0.value = Hexadecimal.text(value)
                }))
    }

    package func subscribe(_ events: String...) throws {
        _ = try call(
            .subscribeEvents(.with { $0.events = events }), returning: WireSubscribeEventsReturn.self)
    }

    static func number(_ text: String) throws -> UInt64 {
        guard let number = Hexadecimal.value(text) else { throw TestFailure("\(text) is no address") }
        return number
    }
}

extension WireSubmissionArguments {
    /// The operands of ENQCMD, ENQCMDS or MOVDIR64B with the descriptor's bytes.
    package init(_ descriptor: Descriptor, to portal: UInt64) {
        self.init()
        destination = Hexadecimal.text(portal)
        self.descriptor = Data(descriptor.bytes)
    }

    /// The operands with the descriptor in memory.
    package init(loading source: UInt64, to portal: UInt64) {
        self.init()
        destination = Hexadecimal.text(portal)
        self.source = Hexadecimal.text(source)
    }
}
