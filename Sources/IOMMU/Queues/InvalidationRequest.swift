public import PCIe

/// What a device is told to forget of the translations it was given (virtualization §6.4).
public struct DeviceTLBInvalidation: Equatable, Sendable {
    /// The device.
    public let requester: RequesterID
    /// The address space whose translations are meant.
    public let scope: Scope

    /// Which translations.
    public enum Scope: Equatable, Sendable {
        /// Every one, whatever the PASID.
        case global
        /// Those of one PASID; of requests without PASID when it is `nil`.
        case pasid(HostPASID?)
        /// Those of one PASID that 2^`order` pages touch, which begin at a multiple of their size.
        case pages(HostPASID?, LinearAddress, order: UInt64)

        /// The smallest ``pages(_:_:order:)`` that holds `byteCount` bytes from `address`.
        public init(_ pasid: HostPASID?, covering address: LinearAddress, byteCount: UInt64) {
            let block = PageBlock(covering: address.rawValue, byteCount: byteCount)
            self = .pages(pasid, LinearAddress(rawValue: block.address), order: block.order)
        }
    }

    /// An invalidation of `scope` in the device `requester`.
    public init(_ requester: RequesterID, _ scope: Scope) {
        self.requester = requester
        self.scope = scope
    }
}

/// The answer to a page request on its way through the invalidation queue (type 9).
public struct PageGroupResponse: Equatable, Sendable {
    /// The device that asked.
    public let requester: RequesterID
    /// The address space that was asked for.
    public let pasid: HostPASID?
    /// The group that is answered.
    public let group: PageRequestGroup
    /// The answer.
    public let code: PageResponseCode

    /// The answer `code` to `request`.
    public init(to request: PageRequest, _ code: PageResponseCode) {
        self.init(requester: request.requester, pasid: request.pasid, group: request.group, code: code)
    }

    init(requester: RequesterID, pasid: HostPASID?, group: PageRequestGroup, code: PageResponseCode) {
        self.requester = requester
        self.pasid = pasid
        self.group = group
        self.code = code
    }
}

/// A descriptor of the invalidation queue (virtualization §6.6).
public enum InvalidationRequest: Equatable, Sendable {
    /// Types 1, 2, 6 and 7: the unit forgets.
    case cache(Invalidation)
    /// Types 3 and 8: a device forgets, and acknowledges.
    case deviceTLB(DeviceTLBInvalidation)
    /// Type 4: what is cached of interrupt entries, which this unit does not remap.
    case interruptEntries
    /// Type 5: when all before it is complete, `status` is written to `address`, a multiple of 4.
    case wait(HostPhysicalAddress, status: UInt32)
    /// Type 9: a device gets the answer to its page request.
    case pageGroupResponse(PageGroupResponse)
}

// MARK: Descriptors

extension InvalidationRequest {
    /// Bytes of a descriptor: a queue of scalable mode has wide ones.
    public static let byteCount: UInt64 = 32

    /// Bits 3:0 of a descriptor.
    enum DescriptorType: UInt64 {
        case contextCache = 1
        case iotlb = 2
        case deviceTLB = 3
        case interruptEntry = 4
        case wait = 5
        case pasidIOTLB = 6
        case pasidCache = 7
        case pasidDeviceTLB = 8
        case pageGroupResponse = 9
    }

    /// Bits 5:4 of types 1, 2, 6 and 7.
    private enum Granularity {
        static let contextDevice: UInt64 = 3
        static let globalTLB: UInt64 = 1
        static let domainTLB: UInt64 = 2
        static let domainPages: UInt64 = 3
        static let pasidTLB: UInt64 = 2
        static let pasidPages: UInt64 = 3
        static let onePASID: UInt64 = 1
        static let globalPASID: UInt64 = 3
    }

    /// SW, bit 5 of type 5: write the status.
    private static let writesStatus: UInt64 = 1 << 5
    /// S, bit 11 of the address of types 3 and 8: the address says how many pages are meant.
    private static let isSized: UInt64 = 1 << 11

    /// The descriptor, bits 63:0 first.
    public var words: InlineArray<4, UInt64> {
        func words(
            _ type: DescriptorType, _ first: UInt64, _ second: UInt64 = 0
        ) -> InlineArray<
            4, UInt64
        > {
            [type.rawValue | first, second, 0, 0]
        }
        switch self {
        case .cache(let invalidation):
            switch invalidation {
            case .contextCache(let requester):
                return words(
                    .contextCache, Granularity.contextDevice << 4 | UInt64(requester.rawValue) << 32)
            case .pasidCache(let domain, let pasid):
                return words(.pasidCache, Granularity.onePASID << 4 | Self.bits(domain, pasid))
            case .globalPASIDCache:
                return words(.pasidCache, Granularity.globalPASID << 4)
            case .pasidTLB(let domain, let pasid):
                return words(.pasidIOTLB, Granularity.pasidTLB << 4 | Self.bits(domain, pasid))
            case .pasidTLBPages(let domain, let pasid, let address, let byteCount):
                return words(
                    .pasidIOTLB, Granularity.pasidPages << 4 | Self.bits(domain, pasid),
                    PageBlock(covering: address.rawValue, byteCount: byteCount).masked)
            case .domainTLB(let domain):
                return words(.iotlb, Granularity.domainTLB << 4 | UInt64(domain.rawValue) << 16)
            case .domainTLBPages(let domain, let address, let byteCount):
                return words(
                    .iotlb, Granularity.domainPages << 4 | UInt64(domain.rawValue) << 16,
                    PageBlock(covering: address.rawValue, byteCount: byteCount).masked)
            case .globalTLB:
                return words(.iotlb, Granularity.globalTLB << 4)
            }
        case .deviceTLB(let invalidation):
            return Self.words(of: invalidation)
        case .interruptEntries:
            return words(.interruptEntry, 0)
        case .wait(let address, let status):
            return words(.wait, Self.writesStatus | UInt64(status) << 32, address.rawValue)
        case .pageGroupResponse(let response):
            let pasid = response.pasid.map { UInt64($0.rawValue) << 32 | 1 << 4 } ?? 0
            return words(
                .pageGroupResponse,
                UInt64(response.code.rawValue) << 12 | UInt64(response.requester.rawValue) << 16 | pasid,
                UInt64(response.group.rawValue) << 3)
        }
    }

    private static func words(of invalidation: DeviceTLBInvalidation) -> InlineArray<4, UInt64> {
        let requester = UInt64(invalidation.requester.rawValue)
        let whole = ~UInt64(0) << 12 & ~(1 << 63) | isSized
        switch invalidation.scope {
        case .global:
            return [DescriptorType.pasidDeviceTLB.rawValue | requester << 16, whole | 1, 0, 0]
        case .pasid(nil):
            return [DescriptorType.deviceTLB.rawValue | requester << 32, whole, 0, 0]
        case .pasid(let pasid?):
            return [
                DescriptorType.pasidDeviceTLB.rawValue | requester << 16 | UInt64(pasid.rawValue) << 32,
                whole, 0, 0,
            ]
        case .pages(let pasid, let address, let order):
            let block =
                PageBlock(address: address.rawValue, order: order).sized | (order > 0 ? isSized : 0)
            guard let pasid else {
                return [DescriptorType.deviceTLB.rawValue | requester << 32, block, 0, 0]
            }
            return [
                DescriptorType.pasidDeviceTLB.rawValue | requester << 16 | UInt64(pasid.rawValue) << 32,
                block, 0, 0,
            ]
        }
    }

    private static func bits(_ domain: DomainID, _ pasid: HostPASID) -> UInt64 {
        UInt64(domain.rawValue) << 16 | UInt64(pasid.rawValue) << 32
    }

    /// The request that a descriptor makes; `nil` for a type, a granularity or an answer that does not exist, and for a
    /// reserved bit, with each of which the unit stops (IQE).
    public init?(words: InlineArray<4, UInt64>) {
        guard let type = DescriptorType(rawValue: words[0] & 0xF), words[2] == 0, words[3] == 0 else {
            return nil
        }
        let granularity = words[0] >> 4 & 3
        let domain = DomainID(rawValue: UInt16(truncatingIfNeeded: words[0] >> 16))
        let pasid = HostPASID(truncating: UInt32(truncatingIfNeeded: words[0] >> 32))
        let block = PageBlock(masked: words[1])
        switch (type, granularity) {
        case (.contextCache, Granularity.contextDevice):
            self = .cache(
                .contextCache(RequesterID(rawValue: UInt16(truncatingIfNeeded: words[0] >> 32))))
        case (.pasidCache, Granularity.onePASID):
            self = .cache(.pasidCache(domain, pasid))
        case (.pasidCache, Granularity.globalPASID):
            self = .cache(.globalPASIDCache)
        case (.pasidIOTLB, Granularity.pasidTLB):
            self = .cache(.pasidTLB(domain, pasid))
        case (.pasidIOTLB, Granularity.pasidPages):
            let address = LinearAddress(rawValue: block.address)
            self = .cache(.pasidTLBPages(domain, pasid, address, byteCount: block.byteCount))
        case (.iotlb, Granularity.globalTLB):
            self = .cache(.globalTLB)
        case (.iotlb, Granularity.domainTLB):
            self = .cache(.domainTLB(domain))
        case (.iotlb, Granularity.domainPages):
            let address = GuestPhysicalAddress(rawValue: block.address)
            self = .cache(.domainTLBPages(domain, address, byteCount: block.byteCount))
        case (.deviceTLB, _), (.pasidDeviceTLB, _):
            self = .deviceTLB(Self.deviceTLB(words, pasid: type == .pasidDeviceTLB ? pasid : nil))
        case (.interruptEntry, _):
            self = .interruptEntries
        case (.wait, _):
            guard words[0] & Self.writesStatus != 0, words[1] % 4 == 0 else { return nil }
            self = .wait(
                HostPhysicalAddress(rawValue: words[1]), status: UInt32(truncatingIfNeeded: words[0] >> 32))
        case (.pageGroupResponse, _):
            guard let code = PageResponseCode(rawValue: UInt8(truncatingIfNeeded: words[0] >> 12 & 0xF))
            else {
                return nil
            }
            self = .pageGroupResponse(
                PageGroupResponse(
                    requester: RequesterID(rawValue: domain.rawValue),
                    pasid: words[0] & 1 << 4 == 0 ? nil : pasid,
                    group: PageRequestGroup(truncating: Int(truncatingIfNeeded: words[1] >> 3 & 0x1FF)),
                    code: code))
        default:
            return nil
        }
    }

    private static func deviceTLB(
        _ words: InlineArray<4, UInt64>, pasid: HostPASID?
    )
        -> DeviceTLBInvalidation
    {
        let requester = RequesterID(
            rawValue: UInt16(truncatingIfNeeded: words[0] >> (pasid == nil ? 32 : 16)))
        if pasid != nil, words[1] & 1 != 0 { return DeviceTLBInvalidation(requester, .global) }
        guard words[1] & isSized != 0 else {
            return DeviceTLBInvalidation(
                requester, .pages(pasid, LinearAddress(rawValue: words[1] & ~0xFFF), order: 0))
        }
        let block = PageBlock(sized: words[1] & ~0xFFF)
        guard block.order < 52 else { return DeviceTLBInvalidation(requester, .pasid(pasid)) }
        return DeviceTLBInvalidation(
            requester, .pages(pasid, LinearAddress(rawValue: block.address), order: block.order))
    }
}

/// 2^`order` pages that begin at a multiple of their size: all that a descriptor can name.
struct PageBlock: Equatable {
    /// The first byte.
    let address: UInt64
    /// 0 to 52; at 52 the block is every page there is.
    let order: UInt64

    /// `address` is rounded down to a multiple of the size.
    init(address: UInt64, order: UInt64) {
        self.order = min(order, 52)
        self.address = order >= 52 ? 0 : address & ~(pageByteCount << order - 1)
    }

    /// The smallest block that holds `byteCount` bytes from `address`.
    init(covering address: UInt64, byteCount: UInt64) {
        let (last, isBeyond) = address.addingReportingOverflow(max(byteCount, 1) - 1)
        let differing = address ^ (isBeyond ? .max : last)
        self.init(
            address: address, order: UInt64(max(0, 52 - (differing >> 12).leadingZeroBitCount + 12)))
    }

    /// Its size, or all that 64 bits can say.
    var byteCount: UInt64 { order >= 52 ? .max : pageByteCount << order }

    /// Address and AM, bits 5:0: how types 2 and 6 say it.
    var masked: UInt64 { address | order }

    init(masked word: UInt64) {
        self.init(address: word & ~0xFFF, order: word & 0x3F)
    }

    /// How types 3 and 8 say it: the lowest address bit that is 0 tells the size.
    var sized: UInt64 {
        order == 0 ? address : address | (pageByteCount << (order - 1) - pageByteCount)
    }

    init(sized word: UInt64) {
        let order = UInt64((~(word >> 12)).trailingZeroBitCount) + 1
        self.init(address: word, order: order >= 51 ? 52 : order)
    }
}
