public import PCIe

/// The invalidation queue: a ring of descriptors in memory that software fills and the unit works through in order
/// (virtualization §6.6).
///
/// The wait descriptor is the only proof of completion: its status is written when everything before it is done, what
/// devices have to acknowledge included.
public struct InvalidationQueue: Sendable {
    /// Descriptors in the ring, one of which stays empty.
    public static let capacity = 128

    /// IQA: the ring, one page.
    public let base: HostPhysicalAddress
    /// IQH: the index of the descriptor that the unit takes next.
    public internal(set) var head = 0
    /// IQT: the index where software puts the next one.
    public internal(set) var tail = 0
    /// IQE: the descriptor at ``head`` is none. The unit does not go on.
    public internal(set) var hasError = false
    /// The device invalidations that were sent and not acknowledged, by tag.
    var unacknowledged: UInt32 = 0
    /// Descriptors that the unit has completed.
    public internal(set) var completedCount: UInt64 = 0

    init(base: HostPhysicalAddress) {
        self.base = base
    }

    /// Whether software has to wait before it adds a descriptor.
    public var isFull: Bool { (tail + 1) % Self.capacity == head }

    func location(of index: Int) -> HostPhysicalAddress {
        base.advanced(by: UInt64(index) * InvalidationRequest.byteCount)
    }
}

/// Names a device invalidation until the device has acknowledged it.
public struct InvalidationTag: Equatable, Sendable {
    let rawValue: Int
}

/// What the unit has come to in its invalidation queue.
public enum InvalidationStep: Equatable, Sendable {
    /// The queue is empty.
    case idle
    /// A device has to forget, and then ``IOMMU/acknowledge(_:)``.
    case deviceTLB(DeviceTLBInvalidation, InvalidationTag)
    /// A device gets the answer to its page request.
    case pageGroupResponse(PageGroupResponse)
    /// A wait descriptor waits for a device.
    case blocked
    /// The descriptor at the head is none (IQE).
    case error
}

extension IOMMU {
    /// Puts `request` at the tail of the invalidation queue.
    ///
    /// - Returns: `false` when the queue is full.
    public mutating func submit(_ request: InvalidationRequest) -> Bool {
        guard !invalidationQueue.isFull else { return false }
        let words = request.words
        let location = invalidationQueue.location(of: invalidationQueue.tail)
        for index in words.indices {
            memory.store64(words[index], at: location.advanced(by: UInt64(index) * 8))
        }
        invalidationQueue.tail = (invalidationQueue.tail + 1) % InvalidationQueue.capacity
        return true
    }

    /// Works through the queue up to what another has to do.
    public mutating func advanceQueue() -> InvalidationStep {
        while invalidationQueue.head != invalidationQueue.tail {
            guard !invalidationQueue.hasError else { return .error }
            let location = invalidationQueue.location(of: invalidationQueue.head)
            let words = InlineArray<4, UInt64> { index in
                Self.word(at: location.advanced(by: UInt64(index) * 8), in: memory)
            }
            guard let request = InvalidationRequest(words: words) else {
                invalidationQueue.hasError = true
                return .error
            }
            var step: InvalidationStep?
            switch request {
            case .cache(let invalidation):
                invalidate(invalidation)
            case .interruptEntries:
                break
            case .deviceTLB(let invalidation):
                let free = ~invalidationQueue.unacknowledged
                guard free != 0 else { return .blocked }
                invalidationQueue.unacknowledged |= free & (~free &+ 1)
                step = .deviceTLB(invalidation, InvalidationTag(rawValue: free.trailingZeroBitCount))
            case .wait(let address, let status):
                guard invalidationQueue.unacknowledged == 0 else { return .blocked }
                // A status that is not memory is lost, as any write to nowhere.
                memory.store32(status, at: address)
            case .pageGroupResponse(let response):
                step = .pageGroupResponse(response)
            }
            invalidationQueue.head = (invalidationQueue.head + 1) % InvalidationQueue.capacity
            invalidationQueue.completedCount += 1
            if let step { return step }
        }
        return .idle
    }

    /// A device has forgotten: no translation that the invalidation names is in it any more.
    public mutating func acknowledge(_ tag: InvalidationTag) {
        invalidationQueue.unacknowledged &= ~(1 << UInt32(tag.rawValue))
    }
}

// MARK: The host's driver

extension IOMMU {
    /// Puts a wait descriptor at the tail. What is before it is complete when ``isComplete(_:)`` says so of the number
    /// that it returns.
    ///
    /// - Returns: `nil` when the queue is full.
    public mutating func submitWait() -> UInt32? {
        let number = lastWait &+ 1
        guard submit(.wait(waitStatus, status: number)) else { return nil }
        lastWait = number
        return number
    }

    /// Whether the unit has written the status of a wait descriptor, or of a later one.
    public func isComplete(_ wait: UInt32) -> Bool {
        guard let status = memory.load32(waitStatus) else {
            preconditionFailure("the status has a frame")
        }
        return Int32(bitPattern: status &- wait) >= 0
    }

    /// Has the unit itself forget, and waits: through the queue, as a driver does.
    ///
    /// - Precondition: No device has to acknowledge anything, and nothing is queued.
    mutating func complete(_ invalidation: Invalidation) {
        let isSubmitted = submit(.cache(invalidation))
        let wait = submitWait()
        let step = advanceQueue()
        guard isSubmitted, let wait, step == .idle, isComplete(wait) else {
            preconditionFailure("an invalidation of the unit's own waits for nobody")
        }
    }
}
