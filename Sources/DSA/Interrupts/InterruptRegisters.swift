public import DSASpec

extension Device {
    /// The bytes of BAR0 that hold anything in `range`, a multiple of 4. The pending bits fill whole quadwords.
    public func byteCount(of range: InterruptRegisters) -> Int {
        profile.registerLayout.byteCount(of: range)
    }

    /// The 32 bits at byte `dword` × 4 of `range`; 0 beyond its end.
    public func readInterruptRegister(_ range: InterruptRegisters, dword: Int) -> UInt32 {
        guard dword >= 0, dword < byteCount(of: range) / 4 else { return 0 }
        switch range {
        case .permissions:
            return dword % 2 == 0 ? interrupts[InterruptVector(.msix, UInt16(dword / 2))].permission.rawValue : 0
        case .messages:
            let entry = interrupts[InterruptVector(.msix, UInt16(dword / 4))]
            return dword % 4 == 3 ? entry.vectorControl : entry.messageDword(dword % 4)
        case .pendingBits:
            let end = min(dword * 32 + 32, interrupts.count(of: .msix))
            return (dword * 32..<max(end, dword * 32)).reduce(0) { bits, index in
                interrupts[InterruptVector(.msix, UInt16(index))].isPending ? bits | 1 << UInt32(index % 32) : bits
            }
        case .messageStorage:
            let entry = interrupts[InterruptVector(.ims, UInt16(dword / 4))]
            return dword % 4 == 3 ? entry.storageControl : entry.messageDword(dword % 4)
        }
    }

    /// Writes the 32 bits at byte `dword` × 4 of `range`. Reserved and read-only bits, and what lies beyond the end,
    /// stay as they are. Taking a mask away delivers what is pending.
    public mutating func writeInterruptRegister(_ range: InterruptRegisters, dword: Int, value: UInt32) {
        guard dword >= 0, dword < byteCount(of: range) / 4 else { return }
        switch range {
        case .permissions:
            guard dword % 2 == 0 else { return }
            interrupts[InterruptVector(.msix, UInt16(dword / 2))].permission = InterruptPermission(rawValue: value)
        case .messages, .messageStorage:
            let vector = InterruptVector(range == .messages ? .msix : .ims, UInt16(dword / 4))
            guard dword % 4 == 3 else {
                interrupts[vector].setMessageDword(dword % 4, to: value)
                return
            }
            // The permission comes first: it decides over what the mask holds back.
            if range == .messageStorage { interrupts[vector].permission = InterruptPermission(rawValue: value) }
            send(interrupts.setMask(value & 1 == 1, of: vector))
        case .pendingBits:
            return
        }
    }

    /// An entry of the tables; `nil` when it does not exist.
    public func interruptEntry(_ vector: InterruptVector) -> InterruptEntry? {
        interrupts.contains(vector) ? interrupts[vector] : nil
    }
}
