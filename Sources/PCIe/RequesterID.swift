/// A function's identity on the bus (RID): bus 15:8, device 7:3, function 2:0 (PCIe 6.0 §2.2.6.2).
public struct RequesterID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The 16 bits as they travel on the bus.
    public let rawValue: UInt16

    /// The function that these 16 bits name.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Returns `nil` when `device` exceeds 31 or `function` exceeds 7.
    @inlinable
    public init?(bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        rawValue = UInt16(bus) << 8 | UInt16(device) << 3 | UInt16(function)
    }

    /// The bus number, the index of the IOMMU's root table.
    @inlinable public var bus: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 8) }

    /// Device and function in one byte, the index of the IOMMU's context table.
    @inlinable public var deviceFunction: UInt8 { UInt8(truncatingIfNeeded: rawValue) }

    /// The device number, 0 to 31.
    @inlinable public var device: UInt8 { deviceFunction >> 3 }

    /// The function number, 0 to 7.
    @inlinable public var function: UInt8 { deviceFunction & 7 }

    /// Orders by bus, then device, then function.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// As lspci writes it, such as `6a:01.0`.
    public var text: String {
        func hexadecimal(_ value: UInt8) -> String {
            let digits = String(value, radix: 16)
            return digits.count < 2 ? "0" + digits : digits
        }
        return "\(hexadecimal(bus)):\(hexadecimal(device)).\(function)"
    }
}
