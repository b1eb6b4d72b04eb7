internal import DSA
public import DSASpec
public import PCIe

// What the host's kernel submits on behalf of a process, through its own mapping of a portal.
extension Machine {
    /// ENQCMDS at CPL 0: the DMWr carries this PASID and privilege, and the descriptor's other bytes as they are.
    ///
    /// - Precondition: `device` names a device.
    public mutating func enqueueAsKernel(
        _ descriptor: Descriptor, pasid: HostPASID, isPrivileged: Bool, to portal: Portal, ofDevice device: Int
    ) -> DMWrCompletion {
        var words = descriptor
        words.word0 =
            words.word0 & 0xFFFF_FFFF_0000_0000 | UInt64(pasid.rawValue) | (isPrivileged ? 1 << 31 : 0)
        return devices[device].enqueue(words, to: portal)
    }

    /// MOVDIR64B: a posted write, whose fate nobody is told.
    ///
    /// - Precondition: `device` names a device.
    public mutating func postAsKernel(_ descriptor: Descriptor, to portal: Portal, ofDevice device: Int) {
        devices[device].post(descriptor, to: portal)
        collectEffects(ofDevice: device)
    }
}
