internal import DSASpec
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// A VM whose one vCPU runs a program at CPL 3: linear addresses that the guest's own tables scatter over its memory,
/// IA32_PASID written by the guest's kernel, the portal mapped by it.
final class Guest: Participant {
    /// Where guest memory begins, guest physical.
    private static let physicalBase: UInt64 = 1 << 30
    /// Room for the guest's page tables at its start.
    private static let tableByteCount = 16 * WorkMemory.pageByteCount
    private static let byteCount = tableByteCount + Workload.byteCount
    /// Where the program sees its memory and the portal.
    private static let workBase: UInt64 = 0x5555_5555_0000
    private static let portalBase: UInt64 = 0x7F00_0000_0000

    let participation: Participation
    /// The connection that owns the VM.
    private let owner: DaemonConnection
    /// The vCPU.
    private let processor: DaemonConnection
    private let vm: UInt32
    private let memory: WorkMemory

    /// - Parameter triesUnbound: First submit once under a guest PASID that nobody bound.
    init(_ options: ParticipantOptions, triesUnbound: Bool) throws {
        owner = try DaemonConnection(path: options.socket)
        processor = try DaemonConnection(path: options.socket)
        vm = try owner.call(.createVM(name: options.name), returning: WireCreateVmReturn.self).vm
        let mapping = try Self.shareMemory(with: vm, over: owner)
        try processor.call(.attachVCPU(of: vm))
        let portal = try address(processor.call(.mapPortal(), returning: WireMapPortalReturn.self).address)

        // The guest's kernel: pages in random order, so that nothing works that does not walk the tables.
        var tables = unsafe GuestPageTables(
            memory: mapping.bytes, base: Self.physicalBase, byteCountMax: Self.tableByteCount)
        var generator = SeededGenerator(seed: options.seed)
        let offsets = (0..<Workload.byteCount / WorkMemory.pageByteCount)
            .map { Self.tableByteCount + $0 * WorkMemory.pageByteCount }.shuffled(using: &generator)
        for (page, offset) in offsets.enumerated() {
            try tables.map(
                Self.workBase + UInt64(page * WorkMemory.pageByteCount), to: Self.physicalBase + UInt64(offset))
        }
        try tables.map(Self.portalBase, to: portal)
        memory = WorkMemory(base: Self.workBase, mapping: mapping, pageOffsets: offsets)
        try processor.call(.writeCR3(tables.root))

        let unbound = triesUnbound ? try Self.submitUnbound(on: processor) : nil
        let bound = try owner.call(
            .bind(guestPASID: Setting.guestPASID, ofVM: vm, root: tables.root),
            returning: WireBindGuestPasidReturn.self)
        try Self.writePASID(Setting.guestPASID, on: processor)
        try processor.call(.setCPL(3))
        participation = Participation(
            vm: vm, guestPASID: Setting.guestPASID, hostPASID: bound.ioasid, unboundSubmission: unbound)
    }

    func makeWorkload(seed: UInt64) -> Workload {
        Workload(connection: processor, memory: memory, portal: Self.portalBase, seed: seed)
    }

    func leave() throws {
        try owner.call(.unbind(guestPASID: Setting.guestPASID, ofVM: vm))
        try owner.call(.destroyVM(vm))
    }

    /// Memory that the VM's second stage and this process map.
    private static func shareMemory(with vm: UInt32, over owner: DaemonConnection) throws -> MemoryMapping {
        let shared = try SharedMemory.create(name: "swqdemo guest", byteCount: byteCount)
        var arguments = WireAttachSharedMemoryArguments()
        arguments.vm = vm
        arguments.address = Hexadecimal.text(physicalBase)
        let region = try owner.call(
            .attachSharedMemory(arguments), attaching: shared.descriptor, returning: WireSharedMemoryReturn.self)
        try DemoError.require(
            try address(region.address) == physicalBase && region.size == UInt64(byteCount),
            "guest memory is at \(region.address), \(region.size) bytes")
        return try shared.map()
    }

    private static func writePASID(_ pasid: UInt32, on processor: DaemonConnection) throws {
        let written = try processor.call(.writePASID(pasid), returning: WireWriteMsrReturn.self)
        try DemoError.require(!written.hasException, "WRMSR raised \(written.exception.vector)")
    }

    /// ENQCMD under a guest PASID that nobody bound: VM exit 72, which the hypervisor answers by setting ZF and
    /// skipping the instruction (virtualization §4.5, policy A). Nothing reaches the device.
    private static func submitUnbound(on processor: DaemonConnection) throws -> String {
        try writePASID(Setting.unboundGuestPASID, on: processor)
        let result = try processor.call(.enqcmd(Descriptor(), to: portalBase), returning: WireSubmissionReturn.self)
        let text =
            "guest PASID \(result.exit.guestPasid): VM exit \(result.exit.reason), "
            + "\(result.exit.handled == .zfSetAndSkipped ? "instruction skipped" : "injected"), ZF=\(result.zf ? 1 : 0)"
        try DemoError.require(
            result.zf && result.hasExit && result.exit.reason == 72
                && result.exit.guestPasid == Setting.unboundGuestPASID && result.exit.handled == .zfSetAndSkipped,
            "an unbound submission did not end as it must: \(text)")
        return text
    }
}
