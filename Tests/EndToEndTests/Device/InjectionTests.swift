import DSASpec
import PCIe
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Fault injection over the socket` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try .hostUser(try daemon.client([.outOfBand]))
    }

    @discardableResult
    private func inject(
        _ action: WireInjectFaultArguments.Action, by client: WireClient? = nil,
        _ populate: (inout WireInjectFaultArguments) -> Void = { _ in }
    ) throws -> UInt32 {
        var arguments = WireInjectFaultArguments()
        arguments.action = action
        populate(&arguments)
        return try (client ?? admin).call(.injectFault(arguments), returning: WireInjectFaultReturn.self).id
    }

    @Test func `A process injects failures into its own work, and nobody else meets them`() throws {
        let other = try Submitter.hostUser(try daemon.client())
        let id = try inject(.retry, by: user.client) { $0.count = 2 }
        #expect(try other.submit().isAccepted)
        #expect(try user.submit().isRetry)
        #expect(try user.submit().isRetry)
        #expect(try user.submit().isAccepted)
        let rule = try #require(
            try user.client.call(.queryInjections, returning: WireQueryInjectionsReturn.self).items.first)
        #expect(rule.id == id && rule.device == "dsa0" && rule.injected == 2 && rule.spent)
        #expect(try other.client.call(.queryInjections, returning: WireQueryInjectionsReturn.self).items.isEmpty)
        try user.client.call(.removeInjection(.with { $0.id = id }))
        #expect(
            try user.client.refusal(of: .removeInjection(.with { $0.id = id })).errorClass == "NotFound")
    }

    @Test func `A status and a page fault reach the completion record`() throws {
        try inject(.status) {
            $0.value = 0x22
            $0.count = 1
        }
        #expect(try user.client.completion(at: try user.submitAccepted()).status.rawValue == 0x22)
        let (source, target) = (try user.reserve(8192), try user.reserve(8192))
        try inject(.pageFault) {
            $0.value = 1
            $0.opcode = 3
        }
        let record = try user.client.completion(
            at: try user.submitAccepted { .memoryMove(from: source, to: target, count: 8192, record: $0) })
        #expect(record.status == .pageFault)
        #expect(record.faultAddress.rawValue == (source | 4095) + 1)
    }

    @Test func `The WQ is disabled in flight: the descriptor ends, later ones get Retry`() throws {
        try admin.subscribe("WQ_STATE")
        try inject(.disableWq) { $0.count = 1 }
        let record = try user.submitAccepted()
        #expect(try user.client.completion(at: record).status == .success)
        _ = try admin.nextEvent("WQ_STATE")
        while try admin.workQueue().state != .disabled {}
        #expect(try user.submit().isRetry)
    }

    @Test func `The PASID is revoked in flight, which the history shows, and the next ENQCMD raises GP`() throws {
        try inject(.revokePasid) { $0.count = 1 }
        let record = try user.submitAccepted()
        #expect(try user.client.completion(at: record).status == .success)
        while try !admin.ioasids().isEmpty {}
        #expect(try user.submit().reply.exception.vector == "#GP")
        #expect(try admin.history().contains { $0.kind == .unbind })
    }

    @Test func `The device halts, and submissions get Retry`() throws {
        try inject(.halt)
        _ = try user.submitAccepted()
        while try admin.device().state != .halted {}
        #expect(try user.submit().isRetry)
    }

    @Test func `A client may not inject what concerns others`() throws {
        func refusal(_ populate: (inout WireInjectFaultArguments) -> Void) throws -> String {
            try user.client.refusal(of: .injectFault(.with(populate))).errorClass
        }
        #expect(try refusal { $0.action = .halt } == "PermissionDenied")
        #expect(try refusal { $0.action = .disableWq } == "PermissionDenied")
        #expect(
            try refusal {
                $0.action = .retry
                $0.pasid = user.pasid + 1
            } == "PermissionDenied")
        #expect(try refusal { $0.action = .status } == "InvalidArgument")
        #expect(
            try refusal {
                $0.action = .retry
                $0.value = 1
            } == "InvalidArgument")
        let observer = try daemon.client()
        #expect(
            try observer.refusal(of: .injectFault(.with { $0.action = .retry })).errorClass == "PermissionDenied")
    }

    @Test func `A client's rules end with it, an admin's do not`() throws {
        try inject(.retry, by: user.client)
        try inject(.retry) { $0.pasid = 9999 }
        #expect(try admin.call(.queryInjections, returning: WireQueryInjectionsReturn.self).items.count == 2)
        user.client.close()
        while try admin.call(.queryInjections, returning: WireQueryInjectionsReturn.self).items.count == 2 {}
        #expect(try admin.call(.queryInjections, returning: WireQueryInjectionsReturn.self).items.count == 1)
    }
}
