import DSASpec
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Occupancy of a work queue` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let user: Submitter

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        user = try .hostUser(try daemon.client())
        try admin.holdEngines()
    }

    @Test func `D-01 D-02 The limited portal accepts below the threshold, the unlimited one below the size`() throws {
        let queue = try admin.workQueue()
        try #require(queue.threshold > 0 && queue.threshold < queue.size)
        var records = try (0..<queue.threshold).map { _ in try user.submitAccepted() }
        #expect(try admin.workQueue().occupancy == queue.threshold)

        let retried = try user.submit()
        #expect(retried.isRetry)
        #expect(retried.reply.rflags == "0x42")
        #expect(try admin.workQueue().occupancy == queue.threshold)

        let kernel = try daemon.admin()
        let privileged = try Submitter.hostUser(kernel)
        let unlimited = try kernel.mapPortal(.unlimited)
        var kernelRecords: [UInt64] = []
        for _ in queue.threshold..<queue.size {
            let record = try privileged.reserve(UInt64(CompletionRecord.byteCount))
            #expect(try !kernel.enqcmd(.noOp(record: record), to: unlimited).zf)
            kernelRecords.append(record)
        }
        #expect(try kernel.enqcmd(.noOp(record: try privileged.reserve(32)), to: unlimited).zf)
        #expect(try user.submit().isRetry)
        let full = try admin.workQueue()
        #expect(full.occupancy == queue.size)
        #expect(full.retried == 3)

        try admin.holdEngines(false)
        for record in records { #expect(try user.client.completion(at: record).status == .success) }
        for record in kernelRecords { #expect(try kernel.completion(at: record).status == .success) }
        records = []
        #expect(try admin.workQueue().occupancy == 0)
    }

    @Test func `D-01 A threshold changes while descriptors wait, and counts from the next submission on`() throws {
        func setThreshold(_ threshold: UInt32) throws {
            try admin.call(
                .configureWq(
                    .with {
                        $0.device = "dsa0"
                        $0.wq = 0
                        $0.threshold = threshold
                    }))
        }
        try setThreshold(2)
        _ = try user.submitAccepted()
        _ = try user.submitAccepted()
        #expect(try user.submit().isRetry)
        try setThreshold(3)
        _ = try user.submitAccepted()
        #expect(try user.submit().isRetry)
        try setThreshold(0)
        #expect(try user.submit().isRetry)
        #expect(try admin.workQueue().occupancy == 3)
    }

    @Test func `D-03 ENQCMD to a dedicated, a disabled or an unused work queue is answered Retry`() throws {
        let before = try admin.status()
        for queue: UInt32 in [1, 7] {
            let portal = try user.client.mapPortal(wq: queue)
            let reply = try user.client.enqcmd(.noOp(record: try user.reserve(32)), to: portal)
            #expect(reply.zf && !reply.hasException, "WQ \(queue)")
        }
        #expect(try admin.deviceCommand(.disableWq, operand: 1).error == 0)
        #expect(try user.submit().isRetry)
        #expect(try admin.deviceCommand(.enableWq, operand: 0).error == 0)
        #expect(try user.submit().isAccepted)
        #expect(try admin.status().accepted == before.accepted + 1)
    }

    @Test func `D-03 MOVDIR64B to a shared work queue is dropped without an error`() throws {
        let before = try admin.device()
        #expect(try !user.client.movdir64b(.noOp(record: try user.reserve(32)), to: user.portal).hasException)
        let after = try admin.device()
        #expect(after == before)
        #expect(!after.hasSoftwareError)
    }

    @Test func `D-04 What is posted to a full dedicated work queue is dropped, and SWERROR says so`() throws {
        #expect(try admin.deviceCommand(.disableWq, operand: 2).error == 0)
        try admin.call(
            .configureWq(
                .with {
                    $0.device = "dsa0"
                    $0.wq = 1
                    $0.pasid = user.pasid
                }))
        #expect(try admin.deviceCommand(.enableWq, operand: 1).error == 0)
        let portal = try user.client.mapPortal(wq: 1)
        let size = try admin.workQueue(1).size
        let records = try (0..<size).map { _ in
            let record = try user.reserve(32)
            #expect(try !user.client.movdir64b(.noOp(record: record), to: portal).hasException)
            return record
        }
        #expect(try admin.workQueue(1).occupancy == size)
        #expect(try !admin.device().hasSoftwareError)

        _ = try user.client.movdir64b(.noOp(record: try user.reserve(32)), to: portal)
        let first = try admin.device().softwareError
        #expect(first.code == UInt32(CompletionStatus.postedToFullQueue.rawValue))
        #expect(!first.overflow)
        _ = try user.client.movdir64b(.noOp(record: try user.reserve(32)), to: portal)
        #expect(try admin.device().softwareError.overflow)
        #expect(try admin.workQueue(1).occupancy == size)

        try admin.holdEngines(false)
        for record in records { #expect(try user.client.completion(at: record).status == .success) }
    }

    @Test func `C-08 ENQCMD to ordinary memory sets ZF and changes no byte`() throws {
        let address = try user.reserve(64)
        try user.client.write(Array(0..<64), at: address)
        let before = try admin.status()
        let reply = try user.client.enqcmd(.noOp(record: address), to: address)
        #expect(reply.zf && !reply.hasException)
        #expect(try user.client.read(64, at: address) == Array(0..<64))
        #expect(try admin.status().accepted == before.accepted)
    }

    @Test func `D-11 Accepted descriptors are completed, in flight or abandoned, at every moment`() throws {
        func expectBalance(accepted: UInt64, completed: UInt64, abandoned: UInt64, inFlight: UInt64) throws {
            let status = try admin.status()
            #expect(status.accepted == accepted)
            #expect(status.completed == completed)
            #expect(status.abandoned == abandoned)
            #expect(status.inFlight == inFlight)
        }
        for _ in 0..<10 { _ = try user.submitAccepted() }
        try expectBalance(accepted: 10, completed: 0, abandoned: 0, inFlight: 10)
        #expect(try admin.deviceCommand(.abortWq, operand: 1).error == 0)
        try expectBalance(accepted: 10, completed: 0, abandoned: 10, inFlight: 0)

        let records = try (0..<5).map { _ in try user.submitAccepted() }
        try expectBalance(accepted: 15, completed: 0, abandoned: 10, inFlight: 5)
        try admin.holdEngines(false)
        for record in records { #expect(try user.client.completion(at: record).status == .success) }
        #expect(try admin.deviceCommand(.drainAll).error == 0)
        try expectBalance(accepted: 15, completed: 5, abandoned: 10, inFlight: 0)
    }

    @Test func `D-08 Drain PASID ends when no descriptor of that PASID is left, whoever else has some`() throws {
        let other = try Submitter.hostUser(try daemon.client())
        let own = try user.submitAccepted()
        _ = try other.submitAccepted()
        let drain = try admin.send(
            .deviceCommand(
                .with {
                    $0.device = "dsa0"
                    $0.command = .drainPasid
                    $0.operand = Hexadecimal.text(UInt64(user.pasid))
                }))
        // The drain waits; a request that overtakes it says so.
        #expect(try admin.call(.queryStatus, outOfBand: true, returning: WireQueryStatusReturn.self).inFlight == 2)
        #expect(try user.client.read(1, at: own) == [0])
        try admin.call(
            .xEngineHold(
                .with {
                    $0.device = "dsa0"
                    $0.hold = false
                }), outOfBand: true)
        #expect(try admin.receive(drain, returning: WireDeviceCommandReturn.self).error == 0)
        #expect(try user.client.read(1, at: own) == [CompletionStatus.success.rawValue])
    }
}
