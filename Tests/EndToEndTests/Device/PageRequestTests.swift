import DSASpec
import Glibc
import PCIe
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Page requests` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        // No answer comes from a clock.
        daemon = try DaemonProcess.start(.init(configuration: #"{"limits": {"pageRequestTimeoutMs": 0}}"#))
        admin = try daemon.admin()
        try admin.enableBlockOnFault()
    }

    /// A client with a page that is missing.
    private struct Faulting {
        let user: Submitter
        /// Two pages, of which the second is missing.
        let pages: UInt64

        var client: WireClient { user.client }
        var missing: UInt64 { pages + 4096 }

        init(_ user: Submitter, vm: UInt32? = nil) throws {
            self.user = user
            let space = try user.reserve(3 * 4096)
            pages = (space + 4095) & ~4095
            try user.client.protect(missing, .noAccess, vm: vm)
        }

        /// A Fill of both pages.
        func fill() throws -> UInt64 {
            try user.submitAccepted { [pages] in
                Descriptor.fill(0x2121_2121_2121_2121, to: pages, count: 8192, record: $0).blockingOnFault
            }
        }
    }

    private func faultingUser(_ capabilities: Set<WireClient.Capability> = [], serves: Bool = true) throws -> Faulting {
        let faulting = try Faulting(try Submitter.hostUser(try daemon.client(capabilities)))
        if serves { try faulting.client.servePageRequests() }
        return faulting
    }

    private func expectNeighboursWork() throws {
        var generator = SeededGenerator(seed: 20)
        let neighbour = try Submitter.hostUser(try daemon.client())
        for _ in 0..<20 { try neighbour.moveAndCheck(&generator) }
    }

    @Test func `A move across a missing page of another process waits until its owner has brought the page`()
        async throws
    {
        let witness = try Submitter.hostUser(try daemon.client())
        await #expect(processExitsWith: .success) { [socket = daemon.socketPath as String] in
            let user = try Submitter.hostUser(try WireClient(path: socket))
            var generator = SeededGenerator(seed: 21)
            let bytes = generator.bytes(3 * 4096)
            let source = (try user.reserve(4 * 4096) + 4095) & ~4095
            let target = (try user.reserve(4 * 4096) + 4095) & ~4095
            try user.client.write(bytes, at: source)
            try user.client.servePageRequests()
            try user.client.protect(target + 4096, .noAccess)
            let record = try user.submitAccepted {
                Descriptor.memoryMove(from: source, to: target, count: 3 * 4096, record: $0).blockingOnFault
            }
            let request = try user.client.nextPageRequest()
            #expect(request.process == user.owner && !request.hasVm)
            #expect(request.pasid == user.pasid)
            #expect(request.device == "dsa0")
            #expect(request.address == Hexadecimal.text(target + 4096))
            #expect(request.write && !request.priv)
            #expect(try user.client.read(4096, at: target) == Array(bytes[..<4096]))
            #expect(try user.client.read(1, at: record) == [0])
            try user.client.protect(target + 4096, .readWrite)
            #expect(try user.client.respond(to: request, with: .pageSuccess) == .pageSuccess)
            #expect(try user.client.completion(at: record).status == .success)
            #expect(try user.client.read(3 * 4096, at: target) == bytes)
        }
        var generator = SeededGenerator(seed: 22)
        try witness.moveAndCheck(&generator)
        #expect(try admin.pageRequests().isEmpty)
    }

    @Test func `Memory that is allocated where the device asks for it serves the request`() throws {
        let user = try Submitter.hostUser(try daemon.client())
        try user.client.servePageRequests()
        let address: UInt64 = 0x7000_0000_0000
        let record = try user.submitAccepted {
            Descriptor.fill(0x31, to: address + 8, count: 8, record: $0).blockingOnFault
        }
        let request = try user.client.nextPageRequest()
        #expect(request.address == Hexadecimal.text(address))
        #expect(try user.client.allocateMemory(4096, at: address) == address)
        try user.client.respond(to: request, with: .pageSuccess)
        #expect(try user.client.completion(at: record).status == .success)
        #expect(try user.client.read(9, at: address + 8) == [0x31, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func `A request that its owner refuses ends the descriptor with 0x04 and the bytes before the page`() throws {
        let faulting = try faultingUser()
        let record = try faulting.fill()
        let request = try faulting.client.nextPageRequest()
        try faulting.client.respond(to: request, with: .pageInvalid)
        let completion = try faulting.client.completion(at: record)
        #expect(completion.status == .pageRequestFailed)
        #expect(completion.faultWasWrite)
        #expect(completion.faultAddress.rawValue == faulting.missing)
        #expect(completion.bytesCompleted == 4096)
        let refusal = try faulting.client.refusal(of: WireClient.response(to: request.request, with: .pageSuccess))
        #expect(refusal.errorClass == "NotFound")
        #expect(refusal.path == "arguments.request")
    }

    @Test func `Without anybody who serves the address space a request is invalid at once`() throws {
        let faulting = try faultingUser(serves: false)
        #expect(try faulting.client.completion(at: try faulting.fill()).status == .pageRequestFailed)
        try faulting.client.servePageRequests()
        try faulting.client.servePageRequests(false)
        #expect(try faulting.client.completion(at: try faulting.fill()).status == .pageRequestFailed)
    }

    @Test func `M-07 A VM is asked under its guest PASID, and answers ahead of a vCPU that waits`() throws {
        let guestPASID: UInt32 = 0xF_0001
        let faulting = try Faulting(
            try Submitter.guest(try daemon.client([.outOfBand]), guestPASID: guestPASID))
        let vmm = try daemon.client()
        try vmm.servePageRequests(vm: faulting.user.owner)
        let record = try faulting.fill()
        // The vCPU waits for the record and answers nothing else meanwhile.
        let wait = try faulting.client.send(
            .umwait(
                .with {
                    $0.address = Hexadecimal.text(record)
                    $0.timeoutMs = UInt32(Deadline.milliseconds)
                }))
        let request = try vmm.nextPageRequest()
        #expect(request.vm == faulting.user.owner && !request.hasProcess)
        #expect(request.pasid == guestPASID)
        #expect(faulting.user.pasid != guestPASID)
        let listed = try faulting.client.call(
            .queryPageRequests(.with { $0.vm = faulting.user.owner }), outOfBand: true,
            returning: WireQueryPageRequestsReturn.self)
        #expect(listed.items == [request])
        try vmm.protect(faulting.missing, .readWrite, vm: faulting.user.owner)
        try faulting.client.respond(to: request, with: .pageSuccess, outOfBand: true)
        #expect(try faulting.client.receive(wait, returning: WireUmwaitReturn.self).changed)
        #expect(try faulting.client.completion(at: record).status == .success)
    }

    @Test func `kill -9 of an owner whose descriptor waits ends the descriptor and the process`() async throws {
        try admin.subscribe("PROCESS_DESTROYED", "PAGE_REQUEST")
        await #expect(processExitsWith: .signal(SIGKILL)) { [socket = daemon.socketPath as String] in
            let faulting = try Faulting(try Submitter.hostUser(try WireClient(path: socket)))
            try faulting.client.servePageRequests()
            _ = try faulting.fill()
            _ = try faulting.client.nextPageRequest()
            guard kill(getpid(), SIGKILL) == 0 else { throw SystemError.last("kill") }
        }
        let process = try admin.nextPageRequest().process
        #expect(try admin.nextEvent("PROCESS_DESTROYED").decode(WireProcessEvent.self).process == process)
        let status = try admin.status()
        #expect(status.inFlight == 0)
        #expect(status.accepted == status.completed + status.abandoned)
        #expect(try admin.ioasids().isEmpty)
        #expect(try admin.pageRequests().isEmpty)
        try expectNeighboursWork()
    }

    @Test func `An owner that does not answer stops its engines, and others go on`() throws {
        let faulting = try faultingUser()
        let engineCount = try admin.device().engines.count
        let records = try (1..<engineCount).map { _ in try faulting.fill() }
        for _ in records { _ = try faulting.client.nextPageRequest() }
        try expectNeighboursWork()
        let requests = try faulting.client.pageRequests()
        #expect(requests.count == engineCount - 1)
        #expect(Set(requests.map(\.group)).count == requests.count)
        #expect(requests.map(\.request) == requests.map(\.request).sorted())
        for request in requests { try faulting.client.respond(to: request, with: .pageInvalid) }
        for record in records {
            #expect(try faulting.client.completion(at: record).status == .pageRequestFailed)
        }
    }

    @Test func `An unbind does not wait for answers`() throws {
        let faulting = try faultingUser()
        let record = try faulting.fill()
        let request = try faulting.client.nextPageRequest()
        try faulting.client.unbindProcess()
        let completion = CompletionRecord(bytes: try faulting.client.read(32, at: record))
        #expect(completion.status == .pageRequestFailed)
        #expect(try admin.ioasids().isEmpty)
        let refusal = try faulting.client.refusal(of: WireClient.response(to: request.request, with: .pageSuccess))
        #expect(refusal.errorClass == "NotFound")
        try expectNeighboursWork()
    }

    @Test func `When the last connection that serves closes, its requests are invalid`() throws {
        let faulting = try faultingUser(serves: false)
        let servers = try (0..<2).map { _ in
            let server = try daemon.client()
            try server.attachProcess(faulting.user.owner)
            try server.servePageRequests()
            return server
        }
        let record = try faulting.fill()
        let requests = try servers.map { try $0.nextPageRequest() }
        #expect(requests[0] == requests[1])
        servers[0].close()
        // The other one still can.
        try servers[1].call(.detach)
        #expect(try faulting.client.completion(at: record).status == .pageRequestFailed)
    }

    @Test func `The page of a completion record is asked for without Block On Fault, and lost when it is refused`()
        throws
    {
        let faulting = try faultingUser()
        let descriptor = Descriptor.noOp(record: faulting.missing + 64)
        #expect(try !faulting.client.enqcmd(descriptor, to: faulting.user.portal).zf)
        let first = try faulting.client.nextPageRequest()
        #expect(first.address == Hexadecimal.text(faulting.missing) && first.write)
        try faulting.client.protect(faulting.missing, .readWrite)
        try faulting.client.respond(to: first, with: .pageSuccess)
        #expect(try faulting.client.completion(at: faulting.missing + 64).status == .success)

        try admin.subscribe("SOFTWARE_ERROR")
        try faulting.client.protect(faulting.missing, .readOnly)
        #expect(try !faulting.client.enqcmd(descriptor, to: faulting.user.portal).zf)
        try faulting.client.respond(to: try faulting.client.nextPageRequest(), with: .pageInvalid)
        let error = try admin.nextEvent("SOFTWARE_ERROR").decode(WireSoftwareErrorEvent.self).error
        #expect(error.code == UInt32(CompletionStatus.completionRecordPageFault.rawValue))
        #expect(error.pasid == faulting.user.pasid)
    }

    @Test func `A failure reaches the device from an admin connection only, and stops its page requests`() throws {
        let faulting = try faultingUser()
        let record = try faulting.fill()
        let request = try faulting.client.nextPageRequest()
        #expect(try faulting.client.respond(to: request, with: .pageFailure) == .pageInvalid)
        #expect(try faulting.client.completion(at: record).status == .pageRequestFailed)

        let second = try faulting.fill()
        #expect(try admin.respond(to: try faulting.client.nextPageRequest(), with: .pageFailure) == .pageFailure)
        #expect(try faulting.client.completion(at: second).status == .pageRequestFailed)
        // Nothing is asked any more, whoever serves.
        let third = try faulting.fill()
        #expect(try faulting.client.completion(at: third).status == .pageRequestFailed)
        #expect(!faulting.client.takeEvents().contains { $0.name == "PAGE_REQUEST" })

        try #require(try admin.deviceCommand(.disableDevice).error == 0)
        try #require(try admin.deviceCommand(.enableDevice).error == 0)
        try #require(try admin.deviceCommand(.enableWq).error == 0)
        let fourth = try faulting.fill()
        try faulting.client.respond(to: try faulting.client.nextPageRequest(), with: .pageInvalid)
        #expect(try faulting.client.completion(at: fourth).status == .pageRequestFailed)
    }

    @Test func `A stop refuses what waits for an answer`() throws {
        let patient = try DaemonProcess.start(
            .init(configuration: #"{"limits": {"drainTimeoutMs": 600000, "pageRequestTimeoutMs": 0}}"#))
        try patient.admin().enableBlockOnFault()
        let faulting = try Faulting(try Submitter.hostUser(try patient.client()))
        try faulting.client.servePageRequests()
        _ = try faulting.fill()
        _ = try faulting.client.nextPageRequest()
        try patient.terminate()
        #expect(try patient.waitForEnd() == .exited(0))
    }

    @Test func `A request that nobody answers is invalid after the configured time`() throws {
        let hasty = try DaemonProcess.start(.init(configuration: #"{"limits": {"pageRequestTimeoutMs": 1}}"#))
        try hasty.admin().enableBlockOnFault()
        let faulting = try Faulting(try Submitter.hostUser(try hasty.client()))
        try faulting.client.servePageRequests()
        for _ in 0..<3 {
            #expect(try faulting.client.completion(at: try faulting.fill()).status == .pageRequestFailed)
        }
    }
}
