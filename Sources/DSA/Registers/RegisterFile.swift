internal import DSASpec
internal import PCIe

/// Why an access to BAR0 is none that the device takes.
public enum RegisterAccessError: Error, Hashable, Sendable {
    /// Accesses have 1, 2, 4 or 8 bytes.
    case unsupportedSize
    /// The offset is no multiple of the size.
    case misaligned
    /// The access leaves BAR0.
    case outOfRange
}

/// BAR0: the device as its driver sees it (DSA 3.0 §9.2, dsa-device 7).
///
/// Registers are not stored but composed of the device's values, and a write ends where the value's own function is:
/// software that goes through registers and software that does not meet the same rules. Every register consists of
/// dwords, so an access of 8 bytes is one to the low dword and then one to the high one.
extension Device {
    /// Reads 1, 2, 4 or 8 naturally aligned bytes, little-endian. What no register lists reads as 0. Has no side
    /// effect.
    public func readRegister(at offset: Int, byteCount: Int) throws(RegisterAccessError) -> UInt64 {
        let layout = profile.registerLayout
        try check(offset, byteCount, in: layout)
        let low = UInt64(dword(at: layout.place(at: offset & ~3)))
        guard byteCount < 8 else { return low | UInt64(dword(at: layout.place(at: offset + 4))) << 32 }
        return low >> (UInt64(offset & 3) * 8) & ~(UInt64.max << (UInt64(byteCount) * 8))
    }

    /// Writes 1, 2, 4 or 8 naturally aligned bytes. What is read-only, what the present state does not let software
    /// write, and what no register lists, ignores them. Bits of `value` above the size do not count.
    public mutating func writeRegister(
        at offset: Int, byteCount: Int, value: UInt64
    ) throws(RegisterAccessError) {
        let layout = profile.registerLayout
        try check(offset, byteCount, in: layout)
        guard byteCount < 8 else {
            write(DwordWrite(value: UInt32(truncatingIfNeeded: value), mask: .max), at: layout.place(at: offset))
            write(DwordWrite(value: UInt32(value >> 32), mask: .max), at: layout.place(at: offset + 4))
            return
        }
        let mask = ~(UInt64.max << (UInt64(byteCount) * 8))
        let shift = UInt64(offset & 3) * 8
        write(
            DwordWrite(
                value: UInt32(truncatingIfNeeded: (value & mask) << shift), mask: UInt32(mask << shift)),
            at: layout.place(at: offset & ~3))
    }

    private func check(_ offset: Int, _ byteCount: Int, in layout: RegisterLayout) throws(RegisterAccessError) {
        guard byteCount == 1 || byteCount == 2 || byteCount == 4 || byteCount == 8 else { throw .unsupportedSize }
        guard offset >= 0, offset < layout.byteCount else { throw .outOfRange }
        guard offset & (byteCount - 1) == 0 else { throw .misaligned }
    }
}

/// The bytes of one dword that an access writes.
struct DwordWrite: Sendable {
    /// The written bytes at their places; 0 elsewhere.
    let value: UInt32
    /// Ones where bytes are written.
    let mask: UInt32

    /// `old` with the written bytes replaced.
    func merged(with old: UInt32) -> UInt32 { old & ~mask | value }

    /// `old` with the written bytes replaced in its low (0) or high (1) dword.
    func merged(with old: UInt64, half: Int) -> UInt64 {
        let shift = UInt64(half) * 32
        return old & ~(UInt64(mask) << shift) | UInt64(value) << shift
    }
}

// MARK: Reading

extension Device {
    private func dword(at place: RegisterLayout.Place) -> UInt32 {
        switch place {
        case .register(let register, let index): dword(index, of: register)
        case .group(let group, let index): groupDword(index, of: group)
        case .workQueue(let queue, let index): workQueueDword(index, of: queue)
        case .interrupts(let range, let index): readInterruptRegister(range, dword: index)
        case .unlisted: 0
        }
    }

    private func dword(_ index: Int, of register: Register) -> UInt32 {
        switch register {
        case .version: UInt32(profile.version)
        case .generalCapabilities: half(index, of: profile.general.rawValue)
        case .workQueueCapabilities: half(index, of: profile.workQueueCapabilities.rawValue)
        case .groupCapabilities: half(index, of: profile.groupCapabilities.rawValue)
        case .engineCapabilities: half(index, of: profile.engineCapabilities.rawValue)
        case .operationCapabilities: index < 2 ? half(index, of: profile.operations.bits) : 0
        case .tableOffsets:
            half(index & 1, of: index < 2 ? profile.registerLayout.tables.word0 : profile.registerLayout.tables.word1)
        case .generalConfiguration: generalConfiguration.rawValue
        case .generalControl: generalControl.rawValue
        case .generalStatus: generalStatus
        case .interruptCause: interruptCause.rawValue
        case .command: 0
        case .commandStatus: commandStatus.rawValue
        case .commandCapabilities:
            profile.general.hasCommandCapabilities ? profile.commandCapabilities.rawValue : 0
        case .softwareError: half(index & 1, of: softwareErrorWord(index / 2))
        case .eventLogConfiguration:
            half(index & 1, of: index < 2 ? eventLogConfiguration.word0 : eventLogConfiguration.word1)
        case .eventLogStatus: half(index, of: eventLogStatus.rawValue)
        case .interDomainCapabilities, .interDomainBitmap, .dsaCapabilities0, .dsaCapabilities1, .dsaCapabilities2: 0
        }
    }

    /// GENSTS (DSA 3.0 §9.2.9).
    private var generalStatus: UInt32 {
        UInt32(state.rawValue) | (state == .halted ? UInt32(haltReset.rawValue) << 2 : 0)
    }

    private func softwareErrorWord(_ index: Int) -> UInt64 {
        switch index {
        case 0: softwareError.word0
        case 1: softwareError.word1
        case 2: softwareError.word2
        default: softwareError.word3
        }
    }

    /// The low (0) or the high (1) dword of `qword`.
    private func half(_ index: Int, of qword: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: qword >> (UInt64(index) * 32))
    }
}

// MARK: Writing

extension Device {
    private mutating func write(_ write: DwordWrite, at place: RegisterLayout.Place) {
        switch place {
        case .register(let register, let index): self.write(write, dword: index, of: register)
        case .group(let group, let index): writeGroup(group, dword: index, write)
        case .workQueue(let queue, let index): writeWorkQueue(queue, dword: index, write)
        case .interrupts(let range, let index):
            let old = readInterruptRegister(range, dword: index)
            writeInterruptRegister(range, dword: index, value: write.merged(with: old))
        case .unlisted: break
        }
    }

    private mutating func write(_ write: DwordWrite, dword index: Int, of register: Register) {
        switch register {
        case .generalConfiguration:
            _ = configure(GeneralConfiguration(rawValue: write.merged(with: generalConfiguration.rawValue)))
        case .generalControl:
            control(GeneralControl(rawValue: write.merged(with: generalControl.rawValue)))
        case .interruptCause:
            interruptCause.subtract(InterruptCause(rawValue: write.value))
        case .command:
            // Bytes that the access leaves out count as 0; a driver writes the whole register.
            _ = execute(CommandRegister(rawValue: write.value))
        case .softwareError:
            guard index == 0 else { break }
            clearSoftwareError(valid: write.value & 1 == 1, overflow: write.value & 2 == 2)
        case .eventLogConfiguration: writeEventLogConfiguration(dword: index, write)
        case .eventLogStatus: writeEventLogStatus(dword: index, write)
        case .version, .generalCapabilities, .workQueueCapabilities, .groupCapabilities, .engineCapabilities,
            .operationCapabilities, .tableOffsets, .generalStatus, .commandStatus, .commandCapabilities,
            .interDomainCapabilities, .interDomainBitmap, .dsaCapabilities0, .dsaCapabilities1, .dsaCapabilities2:
            break
        }
    }

    /// Writes GENCTRL; bits that the device's capabilities do not define stay 0.
    private mutating func control(_ wanted: GeneralControl) {
        var defined: GeneralControl = [.softwareErrorInterrupt, .haltInterrupt]
        if profile.general.eventLogEntryByteCount != nil { defined.insert(.eventLogInterrupt) }
        generalControl = wanted.intersection(defined)
    }

    private mutating func writeEventLogConfiguration(dword index: Int, _ write: DwordWrite) {
        var words = [eventLogConfiguration.word0, eventLogConfiguration.word1]
        words[index / 2] = write.merged(with: words[index / 2], half: index & 1)
        _ = configure(EventLogConfiguration(word0: words[0], word1: words[1]))
    }

    private mutating func writeEventLogStatus(dword index: Int, _ write: DwordWrite) {
        // Interrupt Pending, in the high dword, is cleared by a written 1 alone; Tail is read-only.
        var wanted = EventLogStatus(rawValue: index == 1 ? UInt64(write.value) << 32 : 0)
        wanted.head =
            index == 0
            ? UInt16(truncatingIfNeeded: write.merged(with: UInt32(eventLogStatus.head))) : eventLogStatus.head
        self.write(wanted)
    }

    /// Returns every register to power-on but CMD, CMDSTATUS, SWERROR, EVLSTATUS and the MSI-X table (dsa-device 7.5).
    mutating func resetRegisters() {
        generalConfiguration = profile.powerOnConfiguration
        generalControl = []
        interruptCause = []
        eventLog.configuration = EventLogConfiguration()
        interrupts.reset()
        effects.append(.interruptHandlesVoided)
        for index in workQueues.indices { workQueues[index].resetConfiguration() }
        for index in groups.indices {
            groups[index] = GroupConfiguration()
            groupFlags[index] = profile.powerOnGroupFlags
        }
    }
}
