internal import Glibc

/// One descriptor kept aside, so that a listener can still answer when the process has none left.
///
/// A connection that cannot be accepted stays in the backlog and keeps the listener readable: a level-triggered loop
/// would spin on it. ``shed(from:farewell:)`` gives the reserve up for a moment, takes that connection, drops it, and
/// takes the reserve back.
public struct DescriptorReserve: ~Copyable, Sendable {
    /// What came of shedding one connection.
    public enum Outcome: Sendable {
        /// One connection was accepted and closed. More may wait.
        case shed
        /// The backlog is empty.
        case nothingPending
        /// Even with the reserve there was no descriptor: stop polling the listener until some descriptor is closed.
        case stillExhausted(SystemError)
    }

    private var held: OwnedFD?

    /// Takes the reserve. Fails when the process has no descriptor left.
    public init() throws(SystemError) {
        held = try Self.take()
    }

    /// Whether the reserve is held. It can be lost for a while when another thread takes the last descriptor.
    public var isArmed: Bool {
        switch held {
        case .some: true
        case .none: false
        }
    }

    /// Takes the reserve back after it was lost; does nothing when it is held.
    public mutating func rearm() throws(SystemError) {
        guard !isArmed else { return }
        held = try Self.take()
    }

    /// Accepts one connection on the reserve's descriptor, sends `farewell` as far as it fits, and closes it.
    public mutating func shed(from listener: borrowing Listener, farewell: [UInt8] = []) -> Outcome {
        held = nil
        let outcome = Self.drop(listener.accept(), farewell: farewell)
        // Losing the race for the descriptor is reported by the next call, which then finds no reserve to give up.
        held = try? Self.take()
        return outcome
    }

    private static func drop(_ accepted: consuming AcceptOutcome, farewell: [UInt8]) -> Outcome {
        switch consume accepted {
        case .accepted(let socket):
            if !farewell.isEmpty { unsafe farewell.withUnsafeBytes { bytes in _ = unsafe socket.write(bytes) } }
            return .shed
        case .transient: return .shed
        case .wouldBlock: return .nothingPending
        case .exhausted(let error): return .stillExhausted(error)
        case .failed(let error): return .stillExhausted(error)
        }
    }

    private static func take() throws(SystemError) -> OwnedFD {
        let number = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .last("open", "/dev/null") }
        return OwnedFD(adopting: number)
    }
}
