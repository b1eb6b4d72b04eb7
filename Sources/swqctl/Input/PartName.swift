internal import ArgumentParser

/// A part of a device as the command line names it: `dsa0/1`, or as accel-config does, `dsa0/wq0.1`.
struct PartName: Equatable {
    private static let indexMax: UInt32 = 255

    /// Name of the device.
    let device: String
    /// Index of the part, 0 to 255; `nil` when only the device was named.
    let index: UInt32?

    /// - Parameter kind: What accel-config calls such a part: `wq`, `engine`.
    init?(_ text: String, kind: String) {
        let pieces = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = pieces.first, !first.isEmpty, pieces.count <= 2 else { return nil }
        device = String(first)
        guard pieces.count == 2 else {
            index = nil
            return
        }
        guard let index = Self.index(pieces[1], kind: kind, device: first) else { return nil }
        self.index = index
    }

    private static func index(_ text: Substring, kind: String, device: Substring) -> UInt32? {
        var digits = text
        if text.hasPrefix(kind) {
            let numbers = text.dropFirst(kind.count).split(separator: ".", omittingEmptySubsequences: false)
            let deviceNumber = device.reversed().prefix { $0.isNumber }.reversed()
            guard numbers.count == 2, numbers[0].elementsEqual(deviceNumber) else { return nil }
            digits = numbers[1]
        }
        guard digits.first?.isNumber ?? false, let index = UInt32(digits), index <= indexMax else { return nil }
        return index
    }
}

/// A WQ of the command line.
struct WQName: ExpressibleByArgument, Equatable {
    /// Name of the device.
    let device: String
    /// Index of the WQ, 0 to 255.
    let index: UInt32

    init?(argument: String) {
        guard let part = PartName(argument, kind: "wq"), let index = part.index else { return nil }
        device = part.device
        self.index = index
    }
}

/// An engine of the command line, or all of a device.
struct EngineName: ExpressibleByArgument, Equatable {
    /// Name of the device.
    let device: String
    /// Index of the engine, 0 to 255; `nil` for all.
    let index: UInt32?

    init?(argument: String) {
        guard let part = PartName(argument, kind: "engine") else { return nil }
        device = part.device
        index = part.index
    }
}
