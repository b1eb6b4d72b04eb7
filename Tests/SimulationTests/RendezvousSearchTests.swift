import Simulation
import Testing
import Virtualization

/// One editor and some vCPUs of one VM, on a TSO memory: a state of the search.
private struct State: Hashable {
    enum VCPU: Hashable {
        case entering(VMEntrySequence)
        case inside
        case halted
    }

    var memory = StoreBufferMemory()
    var rendezvous: TableRendezvous
    var vcpus: [VCPU]

    static let editor = HostThreadID(rawValue: 100)

    static func thread(_ vcpu: Int) -> HostThreadID { HostThreadID(rawValue: UInt32(vcpu)) }

    init(vcpuCount: Int) {
        rendezvous = TableRendezvous(vm: 0, vcpus: Array(0..<vcpuCount), thread: Self.editor)
        vcpus = (0..<vcpuCount).map { .entering(VMEntrySequence(vm: 0, processor: $0, thread: Self.thread($0))) }
    }

    /// V-08, and V-09: while the owner may edit, nobody is inside.
    var isSafe: Bool { rendezvous.step != .applying || !vcpus.contains(.inside) }

    /// Every state that one micro-step leads to.
    func successors() -> [State] {
        var found: [State] = []
        for thread in memory.threadsWithStores {
            var next = self
            next.memory.drain(thread)
            found.append(next)
        }
        var next = self
        switch next.rendezvous.advance(in: &next.memory) {
        case .moved: found.append(next)
        case .readyToApply:
            next.rendezvous.finishApplying()
            found.append(next)
        case .blocked, .finished: break
        }
        for vcpu in vcpus.indices { found += successors(of: vcpu) }
        return found
    }

    private func successors(of vcpu: Int) -> [State] {
        var next = self
        switch vcpus[vcpu] {
        case .entering(var sequence):
            switch sequence.advance(in: &next.memory) {
            case .moved: next.vcpus[vcpu] = .entering(sequence)
            case .readyToEnter: next.vcpus[vcpu] = .inside
            case .blocked: return []
            }
            return [next]
        case .inside:
            // Between two instructions: an IPI makes it leave and enter again; or it halts.
            var halted = self
            halted.memory.store(false, to: .inGuest(processor: vcpu), on: Self.thread(vcpu))
            halted.vcpus[vcpu] = .halted
            guard next.memory.takeKick(vcpu) else { return [halted] }
            next.memory.store(false, to: .inGuest(processor: vcpu), on: Self.thread(vcpu))
            next.vcpus[vcpu] = .entering(VMEntrySequence(vm: 0, processor: vcpu, thread: Self.thread(vcpu)))
            return [halted, next]
        case .halted:
            return []
        }
    }

    /// Goes through all states that can be reached. Returns how many are safe, and the first that is not.
    static func search(from start: State) -> (count: Int, unsafe: State?) {
        var seen: Set<State> = [start]
        var open = [start]
        while let state = open.popLast() {
            guard state.isSafe else { return (seen.count, state) }
            for next in state.successors() where seen.insert(next).inserted { open.append(next) }
        }
        return (seen.count, nil)
    }
}

@Suite("Every interleaving of a rendezvous")
struct RendezvousSearchTests {
    @Test(arguments: 1...2)
    func `V-08 V-09: with both barriers no order of steps and stores lets a vCPU run during an edit`(vcpus: Int) {
        let result = State.search(from: State(vcpuCount: vcpus))
        #expect(result.unsafe == nil)
        #expect(result.count > 50)
        print("rendezvous with \(vcpus) vCPUs: \(result.count) states")
    }

    @Test func `V-08: without either barrier a vCPU is lost in some order`() {
        for broken in [State.editor, State.thread(0)] {
            var start = State(vcpuCount: 1)
            start.memory.withoutFence.insert(broken)
            #expect(State.search(from: start).unsafe != nil)
        }
    }
}
