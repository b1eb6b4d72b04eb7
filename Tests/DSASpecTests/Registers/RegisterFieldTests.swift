import DSASpec
import PCIe
import Testing

@Suite("Register fields")
struct RegisterFieldTests {
    @Test func `WQCAP: size 15-0, count 23-16, stride 27-24, features 55-48`() {
        let register = WorkQueueCapabilities(rawValue: 0x00FF_0000_0108_0080)
        #expect(register.totalSize == 128)
        #expect(register.count == 8)
        #expect(register.entryByteCount == 64)
        let features: [WorkQueueFeatures] = [
            .shared, .dedicated, .atsDisable, .priority, .occupancy, .occupancyInterrupt, .operationConfiguration,
            .prsDisable,
        ]
        for (bit, feature) in features.enumerated() {
            #expect(feature.rawValue == 1 << UInt64(48 + bit))
            #expect(register.features.contains(feature))
        }
        let made = WorkQueueCapabilities(
            totalSize: 0x1234, count: 0x56, entryByteCount: 32, features: [.shared, .priority])
        #expect(made.rawValue == 0x0009_0000_0056_1234)
    }

    @Test func `GRPCAP: count 7-0, read buffers 15-8, features 19-16`() {
        let register = GroupCapabilities(count: 4, readBufferCount: 96, features: .dsa1)
        #expect(register.rawValue == 0x3_6004)
        #expect(register.count == 4 && register.readBufferCount == 96)
        for (bit, feature) in [
            GroupFeatures.readBufferControl, .globalReadBufferLimit, .progressLimits, .bandwidthLimits,
        ].enumerated() {
            #expect(feature.rawValue == 1 << UInt64(16 + bit))
        }
    }

    @Test func `ENGCAP: count 7-0, work descriptors 15-8, batch descriptors 23-16`() {
        let register = EngineCapabilities(count: 4, workDescriptorCount: 128, batchDescriptorCount: 16)
        #expect(register.rawValue == 0x10_8004)
        #expect(register.count == 4 && register.workDescriptorCount == 128 && register.batchDescriptorCount == 16)
    }

    @Test func `GENCFG: limit 7-0, user interrupts 12, event log 13`() {
        var register = GeneralConfiguration(rawValue: 0)
        register.globalReadBufferLimit = 0xA5
        #expect(register.rawValue == 0xA5)
        register.areUserInterruptsEnabled = true
        #expect(register.rawValue == 0x10A5)
        register.isEventLogEnabled = true
        #expect(register.rawValue == 0x30A5)
        register.areUserInterruptsEnabled = false
        register.globalReadBufferLimit = 1
        #expect(register.rawValue == 0x2001 && register.isEventLogEnabled)
    }

    @Test func `GENCTRL and INTCAUSE: one bit per cause`() {
        #expect(GeneralControl.softwareErrorInterrupt.rawValue == 1)
        #expect(GeneralControl.haltInterrupt.rawValue == 2)
        #expect(GeneralControl.eventLogInterrupt.rawValue == 4)
        let causes: [(InterruptCause, UInt32)] = [
            (.softwareError, 0), (.commandCompletion, 1), (.occupancy, 2), (.performanceMonitor, 3), (.halt, 4),
            (.eventLog, 5), (.handlesRevoked, 31),
        ]
        for (cause, bit) in causes { #expect(cause.rawValue == 1 << bit) }
    }

    @Test func `CMD: operand 19-0, command 24-20, interrupt 31`() {
        let register = CommandRegister(rawValue: 0x80F1_2345)
        #expect(register.operand == 0x1_2345)
        #expect(register.code == 15)
        #expect(register.requestsInterrupt)
        #expect(CommandRegister(code: 15, operand: 0x1_2345, requestsInterrupt: true) == register)
        #expect(CommandRegister(code: 1, operand: 0).rawValue == 0x10_0000)
    }

    @Test func `CMDSTATUS: error 7-0, result 23-8, active 31`() {
        let register = CommandStatus(rawValue: 0x0012_3442)
        #expect(register.error.rawValue == 0x42 && register.result == 0x1234 && !register.isActive)
        #expect(CommandStatus(error: .noInterruptHandle, result: 0x1234) == register)
        #expect(CommandStatus.active.rawValue == 0x8000_0000 && CommandStatus.active.isActive)
    }

    @Test func `CMDCAP: bit n is command n, and commands 1 to 12 always exist`() {
        for code: UInt8 in 0...255 {
            #expect(CommandCapabilities.basic.contains(code: code) == (1...12).contains(code))
            #expect(CommandCapabilities.withInterruptHandles.contains(code: code) == (1...14).contains(code))
        }
    }

    @Test func `GRPCFG flags stand where dsa-device 6.5 puts them, and reserved bits are dropped`() {
        var flags = GroupFlags(rawValue: 0)
        flags.trafficClassA = 5
        #expect(flags.rawValue == 0x5)
        flags.trafficClassB = 6
        #expect(flags.rawValue == 0x35)
        flags.usesGlobalReadBufferLimit = true
        #expect(flags.rawValue == 0xB5)
        flags.readBuffersReserved = 0xC3
        #expect(flags.rawValue == 0xC3B5)
        flags.readBuffersAllowed = 0x96
        #expect(flags.rawValue == 0x960_C3B5)
        flags.workDescriptorLimitShift = 2
        #expect(flags.rawValue == 0x2_0960_C3B5)
        flags.batchDescriptorLimitShift = 3
        #expect(flags.rawValue == 0x32_0960_C3B5)
        flags.readBandwidthLimit = 0x7
        flags.writeBandwidthLimit = 0x9
        #expect(flags.rawValue == 0x9732_0960_C3B5)
        #expect(GroupFlags(rawValue: .max).rawValue == 0xFF33_0FF0_FFBF)
        #expect(GroupFlags(readBuffersAllowed: 96).rawValue == 0x600_0000)
        #expect(GroupFlags.defined(by: .dsa1) == 0x0FF0_FFBF)
        #expect(GroupFlags.defined(by: []) == 0x3F)
        #expect(GroupFlags.defined(by: GroupFeatures(rawValue: .max)) == GroupFlags(rawValue: .max).rawValue)
    }

    @Test func `WQCFG fields stand where dsa-device 6.4 puts them`() {
        var entry = WorkQueueConfiguration()
        func dword(_ index: Int) -> UInt32 { entry.dword(index, supported: OpcodeSet(bits: 0xAAAA_BBBB_CCCC_DDDD)) }
        entry.size = 0x1234
        entry.threshold = 0x5678
        #expect(dword(0) == 0x1234 && dword(1) == 0x5678)
        entry.mode = .dedicated
        #expect(dword(2) == 1)
        entry.blockOnFaultEnable = true
        #expect(dword(2) == 3)
        entry.atsDisable = true
        #expect(dword(2) == 7)
        entry.prsDisable = true
        #expect(dword(2) == 0xF)
        entry.priority = 10
        #expect(dword(2) == 0xAF)
        entry.pasid = HostPASID(truncating: 0x1_2345)
        #expect(dword(2) == 0x0123_45AF)
        entry.pasidEnable = true
        #expect(dword(2) == 0x1123_45AF)
        entry.isPrivileged = true
        #expect(dword(2) == 0x3123_45AF)
        entry.maximumTransferShift = 31
        entry.maximumBatchShift = 10
        #expect(dword(3) == 0x15F)
        entry.maximumListShift = 5
        #expect(dword(3) == 0xB5F)
        entry.occupancyInterrupt.handle = 0x4321
        #expect(dword(4) == 0x4321)
        entry.occupancyInterrupt.table = .ims
        #expect(dword(4) == 0x1_4321)
        entry.occupancyInterrupt.limit = 0x8765
        #expect(dword(5) == 0x8765)
        entry.occupancyInterrupt.isEnabled = true
        #expect(dword(5) == 0x1_8765)
        #expect(dword(8) == 0xCCCC_DDDD && dword(9) == 0xAAAA_BBBB, "OPCAP before anything was written")
        entry.operations = OpcodeSet(bits: 0x1_0000_0008)
        #expect(dword(8) == 8 && dword(9) == 1)
        for index in [6, 7, 10, 15] { #expect(dword(index) == 0) }
    }

    @Test func `WQCFG takes what it shows, and drops bits without a field`() {
        let supported = OpcodeSet.architectural1
        let defined: [UInt32] = [
            0xFFFF, 0xFFFF, 0x3FFF_FFFF, 0x1FFF, 0x1_FFFF, 0x1_FFFF, 0, 0, .max, .max, 0, 0, 0, 0, 0, 0,
        ]
        for index in 0..<16 {
            for value in [0, UInt32.max, 0x5A5A_5A5A, 0xA5A5_A5A5] {
                var entry = WorkQueueConfiguration()
                entry.setDword(index, to: value, supported: supported)
                #expect(entry.dword(index, supported: supported) == value & defined[index])
                for other in 0..<16 where other != index && !(index == 8 || index == 9) {
                    #expect(
                        entry.dword(other, supported: supported)
                            == WorkQueueConfiguration().dword(other, supported: supported))
                }
            }
        }
    }

    @Test func `WQCFG dword 6: occupancy 15-0, generated 16, mode support 29, state 31-30`() {
        let bits = WorkQueueStatusBits(
            occupancy: 0x123, isInterruptGenerated: true, isModeSelectable: true, state: .disabling)
        #expect(bits.rawValue == 0xA001_0123)
        #expect(bits.occupancy == 0x123 && bits.isInterruptGenerated && bits.isModeSelectable)
        #expect(bits.state == .disabling)
        #expect(WorkQueueStatusBits(rawValue: 0xC000_0000).state == nil)
    }
}

@Suite("Command operands")
struct CommandOperandTests {
    private func decode(_ code: UInt8, _ operand: UInt32) -> Result<DeviceCommand, CommandError> {
        do { return .success(try DeviceCommand(code: code, operand: operand)) } catch { return .failure(error) }
    }

    @Test func `Codes are those of table 7.4`() {
        let commands: [DeviceCommand] = [
            .enableDevice, .disableDevice, .drainAll, .abortAll, .resetDevice, .enableWorkQueue(3),
            .disableWorkQueues(3), .drainWorkQueues(3), .abortWorkQueues(3), .resetWorkQueues(3),
            .drainPASID(HostPASID(truncating: 3)), .abortPASID(HostPASID(truncating: 3)),
        ]
        for (index, command) in commands.enumerated() {
            #expect(command.code == UInt8(index + 1))
            #expect(decode(command.code, index < 5 ? 0 : 3) == .success(command))
        }
        for code: UInt8 in [0, 15, 16, 17, 31] { #expect(decode(code, 0) == .failure(.unsupportedCommand)) }
    }

    @Test func `Bitmaps: WQs 1, 4, 7 are 0x00092; WQs 21, 22 are 0x10060`() {
        #expect(decode(8, 0x00092) == .success(.drainWorkQueues(1 << 1 | 1 << 4 | 1 << 7)))
        #expect(decode(8, 0x10060) == .success(.drainWorkQueues(1 << 21 | 1 << 22)))
        #expect(decode(7, 0x3_8000) == .success(.disableWorkQueues(1 << 63)))
        #expect(decode(9, 0x4_0001) == .failure(.invalidWorkQueueIndex))
        #expect(decode(10, 0xF_FFFF) == .failure(.invalidWorkQueueIndex))
        #expect(decode(10, 0xF_0000) == .success(.resetWorkQueues(0)))
    }

    @Test func `0x04: a reserved bit of the operand, each one of commands 1 to 6`() {
        for bit in 0..<20 as Range<UInt32> {
            for code: UInt8 in 1...5 { #expect(decode(code, 1 << bit) == .failure(.nonZeroReservedOperand)) }
            let expected: Result<DeviceCommand, CommandError> =
                bit < 8 ? .success(.enableWorkQueue(1 << Int(bit))) : .failure(.nonZeroReservedOperand)
            #expect(decode(6, 1 << bit) == expected)
        }
        #expect(decode(11, 0xF_FFFF) == .success(.drainPASID(HostPASID(truncating: 0xF_FFFF))))
    }
}
