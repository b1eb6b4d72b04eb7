internal import IOMMU
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    func invalidateIOTLB(
        _ arguments: WireInvalidateIotlbArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let invalidation = try guestInvalidation(arguments)
        let space = try vmSpace(arguments.hasVm ? arguments.vm : nil, session)
        guard let vm = space.vmIndex else { preconditionFailure("a VM's space is a VM") }
        do throws(MachineError) {
            try machine.invalidate(invalidation, ofVM: vm)
        } catch {
            guard case .notBound = error else { throw WireError(error) }
            throw WireError(
                .notFound, "guest PASID \(arguments.guestPasid) is not bound, so nothing of it is cached",
                path: "arguments.guestPasid")
        }
        afterWindowsReturn(answering: id, session)
    }

    private func guestInvalidation(_ arguments: WireInvalidateIotlbArguments) throws(WireError) -> GuestInvalidation {
        guard arguments.hasAddress || !arguments.hasSize else {
            throw WireError(
                .invalidArgument, "comes only with address, where the bytes begin", path: "arguments.size")
        }
        guard arguments.hasGuestPasid else {
            guard !arguments.hasAddress else {
                throw WireError(
                    .invalidArgument, "comes only with guestPasid, whose linear address it is",
                    path: "arguments.address")
            }
            return .all
        }
        guard let guestPASID = GuestPASID(rawValue: arguments.guestPasid) else {
            preconditionFailure("the walker has checked the guest PASID")
        }
        guard arguments.hasAddress else { return .guestPASID(guestPASID) }
        let start = try address(arguments.address, "address")
        guard start % pageByteCount == 0 else {
            throw WireError(.invalidArgument, "is no multiple of 4096", path: "arguments.address")
        }
        let byteCount = arguments.hasSize ? arguments.size : pageByteCount
        guard byteCount % pageByteCount == 0 else {
            throw WireError(.invalidArgument, "is no multiple of 4096", path: "arguments.size")
        }
        return .pages(guestPASID, LinearAddress(rawValue: start), byteCount: byteCount)
    }

    func queryIOMMUFaults(
        _ arguments: WireQueryIommuFaultsArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        var faults: [RecordedFault]
        if arguments.hasVm {
            guard let space = vms[arguments.vm], sees(space, session) else {
                throw WireError(.notFound, "there is no VM \(arguments.vm) of this client", path: "arguments.vm")
            }
            faults = machine.faults(of: space.index)
        } else if case .vcpu(let space, _, _) = session.role {
            faults = machine.faults(of: space.index)
        } else if session.isAdmin {
            faults = machine.faults(of: nil)
        } else {
            faults = []
            for space in vms.values where sees(space, session) { faults += machine.faults(of: space.index) }
            for space in processes.values where sees(space, session) { faults += machine.faults(of: space.index) }
            faults.sort { $0.number < $1.number }
        }
        var result = WireQueryIommuFaultsReturn()
        result.items = faults.map { wire($0, showsHostPASID: session.isAdmin) }
        reply(result, to: session, id: id)
    }

    /// A fault in the terms of its owner: the host PASID of a VM stays with the host.
    private func wire(_ fault: RecordedFault, showsHostPASID: Bool) -> WireIommuFault {
        var result = WireIommuFault()
        result.number = fault.number
        if let device = fault.device { result.device = deviceNames[device] }
        result.requester = fault.record.requester.text
        switch fault.owner {
        case .process(let process): result.process = process.rawValue
        case .virtualMachine(let vm): result.vm = vm.rawValue
        case nil: break
        }
        if let guestPASID = fault.guestPASID {
            result.pasid = guestPASID.rawValue
        } else if let hostPASID = fault.record.pasid {
            result.pasid = hostPASID.rawValue
        }
        if showsHostPASID, let hostPASID = fault.record.pasid { result.ioasid = hostPASID.rawValue }
        result.address = Hexadecimal.text(fault.record.address.rawValue)
        result.code = UInt32(fault.record.reason.rawValue)
        result.write = fault.record.isWrite
        result.priv = fault.record.isPrivileged
        return result
    }
}
