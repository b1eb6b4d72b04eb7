public import DSA
internal import IOMMU
internal import PCIe

/// A drain on every device, counted down.
struct PendingMachineDrain: Sendable {
    let token: UInt64
    /// What to do at the end.
    let purpose: DrainPurpose
    /// Devices that have not answered.
    var remaining: Int
}

enum DrainPurpose: Sendable {
    /// The driver asked: ``MachineEffect/drained(token:)``.
    case driver(token: UInt64)
    /// A binding is being undone.
    case unbind(BindingToken)
}

/// Windows on threads that someone waits for.
struct PendingQuiesce: Sendable {
    let token: UInt64
    /// (device, engine) of each.
    var windows: [(device: Int, engine: Int)]
}

extension Machine {
    /// Lets the engines of all devices work until nothing can go on or the budget is used up.
    ///
    /// - Parameter runsInline: Whether windows of any length run here. Otherwise long ones wait for
    ///   ``takeReadyWindow()``.
    /// - Returns: Whether the budget ended the call: call again after looking at the sockets.
    public mutating func step(budget: Device.Budget = Device.Budget(), runsInline: Bool = true) -> Bool {
        var isUnfinished = false
        for index in devices.indices where devices.contains(index) && devices[index].hasWork {
            if devices[index].step(iommu: &iommu, memory: memory, budget: budget, runsInline: runsInline) {
                isUnfinished = true
            }
            if collectEffects(ofDevice: index) { isUnfinished = true }
        }
        return isUnfinished
    }

    /// A window for a thread of the driver.
    @safe
    public struct ReadyWindow: Sendable {
        /// The index of the device that waits for the window.
        public let device: Int
        /// The device's own window.
        public let window: Device.ReadyWindow
    }

    /// The next window for a thread, or `nil`.
    public mutating func takeReadyWindow() -> ReadyWindow? {
        for index in devices.indices where devices.contains(index) {
            if let window = unsafe devices[index].takeReadyWindow() {
                return unsafe ReadyWindow(device: index, window: window)
            }
        }
        return nil
    }

    /// Takes back a window that ran.
    public mutating func finishWindow(device index: Int, engine: Int) {
        devices[index].finishWindow(engine: engine, iommu: &iommu, memory: memory)
        collectEffects(ofDevice: index)
        guard !quiesces.isEmpty else { return }
        for position in quiesces.indices {
            quiesces[position].windows.removeAll { $0.device == index && $0.engine == engine }
        }
        reportQuiesced()
    }

    /// Answers with ``MachineEffect/windowsReturned(token:)`` once every window that is on a thread now has come back,
    /// so that pages taken out of a table before the call are no longer used. At once when there is none.
    public mutating func whenWindowsReturn(token: UInt64) {
        var windows: [(device: Int, engine: Int)] = []
        for index in devices.indices where devices.contains(index) {
            for engine in devices[index].enginesWithWindowOut { windows.append((index, engine)) }
        }
        quiesces.append(PendingQuiesce(token: token, windows: windows))
        reportQuiesced()
    }

    private mutating func reportQuiesced() {
        for quiesce in quiesces where quiesce.windows.isEmpty {
            effects.append(.windowsReturned(token: quiesce.token))
        }
        quiesces.removeAll { $0.windows.isEmpty }
    }

    /// Drains `selection` on every device; ``MachineEffect/drained(token:)`` follows, at once when nothing is there.
    public mutating func drain(_ selection: DescriptorSelection, token: UInt64) {
        drain(selection, purpose: .driver(token: token))
    }

    /// - Parameter device: The only device to drain; `nil` for every one.
    mutating func drain(_ selection: DescriptorSelection, onDevice device: Int? = nil, purpose: DrainPurpose) {
        let token = nextDrainToken
        nextDrainToken += 1
        let drained = devices.indices.filter { devices.contains($0) && (device == nil || device == $0) }
        drains.append(PendingMachineDrain(token: token, purpose: purpose, remaining: drained.count))
        guard !drained.isEmpty else {
            finishDrain(token)
            return
        }
        for index in drained { devices[index].drain(selection, token: token) }
        for index in drained { collectEffects(ofDevice: index) }
    }

    /// Moves what a device reported into the machine's effects. Returns whether page requests were refused on the way,
    /// so that engines go on that had stopped.
    @discardableResult
    mutating func collectEffects(ofDevice index: Int) -> Bool {
        // Before a PASID whose descriptors are gone can become another's.
        collectFaults()
        var hasRefused = false
        var position = 0
        // A refusal frees a credit, with which the device may ask again: the list may grow on the way.
        while position < devices[index].effects.count {
            switch devices[index].effects[position] {
            case .softwareError(let error): effects.append(.softwareError(device: index, error))
            case .commandCompleted(let error): effects.append(.commandCompleted(device: index, error))
            case .interrupt(let interrupt): effects.append(.interrupt(device: index, interrupt))
            case .interruptHandlesVoided: revokeInterrupts(ofDevice: index)
            case .functionReset: effects.append(.functionReset(device: index))
            case .drained(let token): finishDrain(token)
            case .pageRequest(let request):
                if !receive(request, ofDevice: index) { hasRefused = true }
            case .pageRequestWithdrawn(let group): forget(group, ofDevice: index)
            case .injected(let request): effects.append(.injected(device: index, request))
            }
            position += 1
        }
        devices[index].effects.removeAll(keepingCapacity: true)
        return hasRefused
    }

    private mutating func finishDrain(_ token: UInt64) {
        guard let position = drains.firstIndex(where: { $0.token == token }) else { return }
        drains[position].remaining -= 1
        guard drains[position].remaining <= 0 else { return }
        let drain = drains.remove(at: position)
        switch drain.purpose {
        case .driver(let token): effects.append(.drained(token: token))
        case .unbind(let binding): finishUnbindDrain(binding)
        }
    }
}

extension Machine.ReadyWindow {
    /// The engine that waits for it.
    public var engine: Int { unsafe window.engine }

    /// Runs the window. From any one thread, before ``Machine/finishWindow(device:engine:)``.
    public func run() {
        unsafe Transfer.run(&window.window.pointee)
    }
}
