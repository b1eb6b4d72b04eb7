internal import DSASpec
internal import PCIe

extension Device {
    /// Request Interrupt Handle: the handle by which descriptors name an entry. An entry that has one keeps it.
    mutating func requestInterruptHandle(for vector: InterruptVector) -> CommandStart {
        guard profile.usesInterruptHandles else { return .completed(.unsupportedCommand) }
        guard interrupts.contains(vector) else { return .completed(.invalidInterruptIndex) }
        guard let handle = interrupts.requestHandle(for: vector) else { return .completed(.noInterruptHandle) }
        return .completed(.none, result: handle)
    }

    /// Release Interrupt Handle: descriptors that name it from now on end with 0x19.
    mutating func releaseInterruptHandle(_ handle: UInt16, in table: Portal.InterruptTable) -> CommandError {
        guard profile.usesInterruptHandles else { return .unsupportedCommand }
        return interrupts.releaseHandle(handle, in: table) ? .none : .invalidInterruptIndex
    }

    /// Takes all interrupt handles back, as a hypervisor does when it moves a device (virtualization §9): descriptors
    /// that name one from now on end with 0x19. Nothing happens where the index is the handle, or none was given out.
    public mutating func revokeInterruptHandles() {
        guard interrupts.releaseAllHandles() else { return }
        effects.append(.interruptHandlesVoided)
        raise(.handlesRevoked)
    }
}
