import DSA
import DSASpec
import Testing

/// Software that knows the device by its BAR0 alone.
extension DeviceFixture {
    func read32(_ offset: Int) -> UInt32 { UInt32(read(offset, 4)) }

    func read64(_ offset: Int) -> UInt64 { read(offset, 8) }

    func read(_ offset: Int, _ byteCount: Int) -> UInt64 {
        do {
            return try device.readRegister(at: offset, byteCount: byteCount)
        } catch {
            Issue.record("read of \(byteCount) bytes at \(offset): \(error)")
            return 0
        }
    }

    func write32(_ offset: Int, _ value: UInt32) { write(offset, 4, UInt64(value)) }

    func write64(_ offset: Int, _ value: UInt64) { write(offset, 8, value) }

    func write(_ offset: Int, _ byteCount: Int, _ value: UInt64) {
        do {
            try device.writeRegister(at: offset, byteCount: byteCount, value: value)
        } catch {
            Issue.record("write of \(byteCount) bytes at \(offset): \(error)")
        }
    }

    func read32(_ register: Register) -> UInt32 { read32(register.offset) }

    func write32(_ register: Register, _ value: UInt32) { write32(register.offset, value) }

    /// Writes CMD, lets the device work and returns CMDSTATUS.
    @discardableResult
    func command(_ code: UInt32, _ operand: UInt32 = 0, requestsInterrupt: Bool = false) -> UInt32 {
        write32(.command, (requestsInterrupt ? 1 << 31 : 0) | code << 20 | operand)
        run()
        return read32(.commandStatus)
    }

    /// Takes the mask of MSI-X vector 0 away.
    func unmaskMiscellaneousVector() { write32(0x4000 + 12, 0) }

    /// How often vector 0 sent its message, as far as the effects were not taken.
    var miscellaneousInterruptCount: Int {
        device.effects.count {
            if case .interrupt(let interrupt) = $0 { interrupt.vector == .miscellaneous } else { false }
        }
    }

    /// Where WQCFG of a WQ begins, as OFFSETS and WQCAP say.
    func workQueueOffset(_ queue: Int) -> Int {
        Int(read64(0x60) >> 16 & 0xFFFF) << 8 + queue << (5 + Int(read64(0x20) >> 24 & 0xF))
    }

    /// Where GRPCFG of a group begins, as OFFSETS says.
    func groupOffset(_ group: Int) -> Int { Int(read64(0x60) & 0xFFFF) << 8 + group * 64 }

    /// Registers and tables below 0x1000.
    var registerImage: RegisterImage {
        RegisterImage(dwords: stride(from: 0, to: 0x1000, by: 4).map { read32($0) })
    }

    /// All of BAR0.
    var wholeImage: RegisterImage {
        RegisterImage(dwords: stride(from: 0, to: device.profile.registerLayout.byteCount, by: 4).map { read32($0) })
    }
}

/// The dwords of BAR0 from 0 on.
struct RegisterImage {
    var dwords: [UInt32]

    /// Where the images differ, as text.
    func changes(since other: RegisterImage) -> [String] {
        dwords.indices.filter { dwords[$0] != other.dwords[$0] }.map { index in
            func hexadecimal(_ value: UInt32) -> String { String(value, radix: 16) }
            return
                "\(String(index * 4, radix: 16)): \(hexadecimal(other.dwords[index])) to \(hexadecimal(dwords[index]))"
        }
    }
}
