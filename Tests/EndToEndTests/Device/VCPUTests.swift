import DSASpec
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `vCPUs over the socket` {
    private let daemon: DaemonProcess

    init() throws {
        daemon = try DaemonProcess.start()
    }

    private static let memory: UInt64 = 0x1000_0000

    /// A VM with a page of memory, and its first vCPU, which has mapped a portal.
    private func makeVM(
        _ arguments: WireCreateVmArguments = .init()
    ) throws -> (vmm: WireClient, vm: UInt32, vcpu: WireClient, portal: UInt64) {
        let vmm = try daemon.client()
        let vm = try vmm.call(.createVm(arguments), returning: WireCreateVmReturn.self).vm
        let vcpu = try daemon.client()
        _ = try vcpu.attachVCPU(vm: vm)
        _ = try vcpu.allocateMemory(8192, at: Self.memory)
        return (vmm, vm, vcpu, try vcpu.mapPortal())
    }

    private func status(of vm: UInt32, _ client: WireClient) throws -> WireQueryVmReturn {
        try client.call(.queryVm(.with { $0.vm = vm }), returning: WireQueryVmReturn.self)
    }

    /// A vCPU in a process of its own submits under guest PASID 5 and waits for its record; the process ends, and the
    /// vCPU with it.
    private static func runVCPU(
        _ number: UInt32, of vm: UInt32, portal: UInt64, at path: String
    ) async {
        await #expect(processExitsWith: .success) {
            [
                path = path as String, number = number as UInt32, vm = vm as UInt32,
                portal = portal as UInt64
            ]
            in
            let client = try WireClient(try ClientConnection.unix(path: path))
            try client.negotiate()
            _ = try client.attachVCPU(vm: vm)
            try client.setPASID(5)
            let record = 0x1000_0000 + UInt64(number) * 32
            guard try !client.enqcmd(.noOp(record: record), to: portal).zf,
                try client.completion(at: record).status == .success
            else { throw TestFailure("vCPU \(number) is not served") }
        }
    }

    @Test func `V-07 V-12 vCPUs of one VM in several processes share its translations, and lose them together`()
        async throws
    {
        let (vmm, vm, vcpu, portal) = try makeVM()
        try vmm.bindGuestPASID(5, vm: vm)
        try vcpu.setPASID(5)
        let path = daemon.socketPath
        async let first: Void = Self.runVCPU(1, of: vm, portal: portal, at: path)
        async let second: Void = Self.runVCPU(2, of: vm, portal: portal, at: path)
        async let third: Void = Self.runVCPU(3, of: vm, portal: portal, at: path)
        _ = await (first, second, third)
        #expect(try !vcpu.enqcmd(.noOp(record: Self.memory), to: portal).zf)
        #expect(try vcpu.completion(at: Self.memory).status == .success)
        try vmm.unbindGuestPASID(5, vm: vm)
        #expect(try vcpu.enqcmd(.noOp(record: Self.memory), to: portal).exit.reason == 72)
        let after = try status(of: vm, vmm)
        #expect(after.translations == 0)
        #expect(after.rendezvous.count == 2 && after.rendezvous.edits == 2)
        #expect(after.rendezvous.kicks >= 2)
        let exits = try #require(after.vcpus.first { $0.vcpu == 0 }).exits
        #expect(exits.first { $0.reason == 1 }?.count == 2, "one kick for each change")
        #expect(exits.first { $0.reason == 72 }?.count == 1)
    }

    @Test func `V-10 A bind neither wakes a halted vCPU nor waits for it`() throws {
        let (vmm, vm, _, _) = try makeVM()
        let sleeper = try daemon.client()
        let number = try sleeper.attachVCPU(vm: vm)
        let hlt = try sleeper.send(.hlt)
        // The reply of the same connection comes in order: the daemon has seen HLT when another client sees it halted.
        var state = WireVcpuStatus.State.running
        while state != .halted {
            state = try #require(try status(of: vm, vmm).vcpus.first { $0.vcpu == number }).state
        }
        try vmm.bindGuestPASID(5, vm: vm)
        let halted = try #require(try status(of: vm, vmm).vcpus.first { $0.vcpu == number })
        #expect(halted.state == .halted)
        #expect(halted.exits.map(\.reason) == [12])
        let woken = try vmm.call(
            .wakeVcpu(
                .with {
                    $0.vm = vm
                    $0.vcpu = number
                }), returning: WireWakeVcpuReturn.self)
        #expect(woken.woken)
        let answer = try sleeper.receive(hlt, returning: WireHltReturn.self)
        #expect(answer.exit.reason == 12 && answer.exit.handled == .slept)
        #expect(try sleeper.processor().vcpu == number)
    }

    @Test func `The end of a VM answers its halted vCPUs`() throws {
        let (vmm, vm, _, _) = try makeVM()
        let sleeper = try daemon.client()
        let number = try sleeper.attachVCPU(vm: vm)
        let hlt = try sleeper.send(.hlt)
        var state = WireVcpuStatus.State.running
        while state != .halted {
            state = try #require(try status(of: vm, vmm).vcpus.first { $0.vcpu == number }).state
        }
        try vmm.call(.destroyVm(.with { $0.vm = vm }))
        #expect(try sleeper.receiveRefusal(hlt).errorClass == "WrongState")
        // It is an observer again.
        _ = try sleeper.attachProcess()
    }

    @Test func `Free before unbind ends a binding, and the history has both rows`() throws {
        let (vmm, vm, vcpu, portal) = try makeVM()
        let ioasid = try vmm.bindGuestPASID(5, vm: vm)
        try vcpu.setPASID(5)
        try vmm.call(.freeIoasid(.with { $0.ioasid = ioasid }))
        #expect(try vcpu.enqcmd(.noOp(record: Self.memory), to: portal).exit.reason == 72)
        #expect(try vmm.ioasids().isEmpty)
        #expect(try daemon.admin().history().map(\.kind) == [.alloc, .bind, .unbind, .free])
        // The guest PASID can be bound again.
        #expect(try vmm.bindGuestPASID(5, vm: vm) != ioasid)
        #expect(try !vcpu.enqcmd(.noOp(record: Self.memory), to: portal).zf)
    }
}
