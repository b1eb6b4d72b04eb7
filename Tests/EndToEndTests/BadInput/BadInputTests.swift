import ProtocolMessages
import TestKit
import Testing

@Suite struct `Bad input` {
    @Test(arguments: BadInput.all)
    func `Bad input gets a precise error or a clean teardown, the machine and the other clients untouched`(
        _ input: BadInput
    ) async throws {
        try await check(input)
    }

    @Test(Identity.requiresRoot, arguments: BadInput.foreigners)
    func `Another user's objects cannot be told from those that do not exist`(_ input: BadInput) async throws {
        try await check(input)
    }

    @Test(Kernel.requiresHugePages) func `A memfd of huge pages gets a precise error`() async throws {
        try await check(.hugePages)
    }

    private func check(_ input: BadInput) async throws {
        let stage = try BadInputStage(input.options)
        let before = try stage.state()
        let accepted = try await input.act(stage)

        var after = try stage.state()
        after.accepted -= accepted
        after.ended -= accepted
        #expect(after == before)
        var generator = SeededGenerator(seed: 1)
        try stage.witness.moveAndCheck(&generator)
        let newcomer = try stage.daemon.client()
        #expect(try newcomer.status().state == .running)
    }
}

extension BadInput {
    /// The table.
    static let all = lines + arguments + clients + descriptors + memory + limits
}
