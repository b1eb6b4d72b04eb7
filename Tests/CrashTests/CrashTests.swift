import Glibc
import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// kill -9 of the daemon under load, at points of the work that a seed chooses.
@Suite struct `Crash of the daemon` {
    static let campaignCount = 5
    static let roundsPerCampaign = 10
    /// Replies after which the daemon is killed at the latest.
    static let killPointMax = 160

    /// New ones each time; `SWQD_TEST_SEED` repeats a run.
    static let seeds: [UInt64] = {
        let given = ProcessEnvironment.variables["SWQD_TEST_SEED"].flatMap { UInt64($0) }
        let first = given ?? .random(in: 1...0xFFFF_FFFF)
        print("Crash of the daemon: \(campaignCount) x \(roundsPerCampaign) rounds, SWQD_TEST_SEED=\(first)")
        return (0..<UInt64(campaignCount)).map { first &+ $0 }
    }()

    @Test(arguments: seeds)
    func `kill -9 loses no acknowledged bind or unbind and leaves no interval open`(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var daemon = try DaemonProcess.start()
        var last: UInt64 = 0
        var acknowledgedCount = 0
        var leftOpenCount = 0
        for round in 1...Self.roundsPerCampaign {
            let rid = try daemon.admin().call(
                .queryDevices(WireQueryDevicesArguments()), returning: WireQueryDevicesReturn.self
            ).items[0].rid
            let point = Int.random(in: 1...Self.killPointMax, using: &generator)
            let load = Load(on: daemon, killSwitch: KillSwitch(daemon.process, at: point))
            let findings = try load.run(seed: generator.next())
            #expect(try daemon.waitForEnd() == .killed(signal: SIGKILL))
            daemon = try daemon.restarted()

            let client = try daemon.admin()
            var verdict = try HistoryVerdict(after: last, from: client)
            for account in findings.accounts { verdict.check(account, rid: rid) }
            for event in findings.reported { verdict.check(event, after: last) }
            let left = verdict.checkRecovery()
            try verdict.checkIntervals(left, with: client)
            leftOpenCount += left.count
            #expect(
                findings.faults + verdict.faults == [], "seed \(seed), round \(round), killed at reply \(point)")
            last += UInt64(verdict.rows.count)
            acknowledgedCount += findings.accounts.reduce(0) { $0 + $1.acknowledged.count }
        }
        #expect(acknowledgedCount > 0 && leftOpenCount > 0)
        try daemon.terminate()
        #expect(try daemon.waitForEnd() == .exited(0))
        #expect(
            try WholeHistory.faults(in: daemon.stateDirectory, crashCount: Self.roundsPerCampaign) == [],
            "seed \(seed)")
    }

    @Test func `An unbind that waits for a drain at the crash is not acknowledged, and the restart ends it`() throws {
        var daemon = try DaemonProcess.start()
        try daemon.admin().call(
            .xEngineHold(
                .with {
                    $0.device = "dsa0"
                    $0.hold = true
                }))
        let client = try daemon.client([.outOfBand])
        let vm = try client.createVM()
        try client.attachVCPU(vm: vm)
        let memory = try client.allocateMemory(4096)
        let portal = try client.mapPortal()
        let ioasid = try client.bindGuestPASID(5)
        try client.setPASID(5)
        #expect(try !client.enqcmd(.noOp(record: memory), to: portal).zf)
        let unbind = try client.send(.unbindGuestPasid(.with { $0.guestPasid = 5 }))
        // The daemon has begun it: the translation is gone, and what it answers now it answers behind the request.
        let processor: WireQueryProcessorReturn = try client.call(.queryProcessor, outOfBand: true)
        #expect(processor.exits72 == 0)
        try daemon.kill()
        #expect(throws: (any Error).self) { try client.receive(unbind) }

        daemon = try daemon.restarted()
        let admin = try daemon.admin()
        var verdict = try HistoryVerdict(after: 0, from: admin)
        let left = verdict.checkRecovery()
        try verdict.checkIntervals(left, with: admin)
        #expect(verdict.faults == [])
        #expect(left.map(\.ioasid) == [ioasid])
        #expect(verdict.rows.map(\.kind) == [.alloc, .bind, .unbind, .free])
        #expect(verdict.rows.map(\.cause) == [.request, .request, .daemonRestart, .daemonRestart])
        #expect(try admin.status().boundIoasids == 0)
    }
}
