internal import PCIe

/// A device's own cache of translations (ATC), which it has asked the IOMMU for (virtualization §6.4).
///
/// What is in it is used without asking again: no table is walked, no permission looked at. So whoever takes a page or
/// a PASID away tells the device to forget, and waits for its acknowledgement, before that is used for anything else.
@safe
public struct DeviceTLB: ~Copyable {
    private let cache: UnsafeMutablePointer<TranslationCache>

    /// An empty cache.
    public init() {
        unsafe cache = .allocate(capacity: 1)
        unsafe cache.initialize(to: TranslationCache())
    }

    deinit {
        unsafe cache.deinitialize(count: 1)
        unsafe cache.deallocate()
    }

    /// The cache for who translates by it. It may not be used after the cache's end.
    @inline(__always)
    public var reference: DeviceTLBReference { unsafe DeviceTLBReference(cache: cache) }

    /// Forgets what `scope` names.
    public mutating func invalidate(_ scope: DeviceTLBInvalidation.Scope) {
        switch scope {
        case .global:
            unsafe cache.pointee.invalidateAll()
        case .pasid(let pasid):
            let tag = DeviceTLBReference.tag(pasid)
            unsafe cache.pointee.invalidate(tag.domain, tag.pasid)
        case .pages(let pasid, let address, let order):
            let tag = DeviceTLBReference.tag(pasid)
            let block = PageBlock(address: address.rawValue, order: order)
            unsafe cache.pointee.invalidate(
                tag.domain, tag.pasid, LinearAddress(rawValue: block.address), byteCount: block.byteCount)
        }
    }
}

/// A ``DeviceTLB``, for its device's engines.
@safe
public struct DeviceTLBReference: @unchecked Sendable, BitwiseCopyable {
    fileprivate let cache: UnsafeMutablePointer<TranslationCache>

    /// Translates one access: by what is cached, otherwise by a translation request, whose answer is cached when it is
    /// a translation. A page that is missing, or does not admit the access, is an answer without translation and no
    /// fault that is recorded.
    ///
    /// - Parameter byteCount: As of ``IOMMU/translate(_:byteCount:)``.
    @inline(__always)
    public func translate(
        _ request: TranslationRequest, byteCount: UInt64 = 1, _ iommu: inout IOMMU
    ) -> Translation {
        let address = request.address.rawValue
        let key = TranslationCache.key(
            address, isWrite: request.isWrite, isPrivileged: request.isPrivileged)
        if let entry = unsafe cache.pointee.find(key, Self.tag(request.pasid)) {
            let offset = address & (pageByteCount - 1)
            let remaining = entry.byteCount &- offset
            if remaining >= byteCount || entry.isFinal {
                return .translated(HostPhysicalAddress(rawValue: entry.host | offset), remaining: remaining)
            }
        }
        return ask(request, byteCount: byteCount, key, &iommu)
    }

    /// Where the `byteCount` bytes from the address of `request` lie in this process, when what is cached says that
    /// they lie there in one piece and all permit the access; `nil` otherwise, of which nothing follows.
    public func location(
        _ request: TranslationRequest, byteCount: UInt64, in memory: PhysicalMemory
    ) -> UnsafeMutableRawPointer? {
        let address = request.address.rawValue
        let key = TranslationCache.key(
            address, isWrite: request.isWrite, isPrivileged: request.isPrivileged)
        let offset = address & (pageByteCount - 1)
        guard let entry = unsafe cache.pointee.find(key, Self.tag(request.pasid)),
            entry.byteCount &- offset >= byteCount
        else { return nil }
        return unsafe memory.pointer(
            to: HostPhysicalAddress(rawValue: entry.host | offset), byteCount: byteCount)
    }

    @inline(never)
    private func ask(
        _ request: TranslationRequest, byteCount: UInt64, _ key: UInt64, _ iommu: inout IOMMU
    ) -> Translation {
        let answer = iommu.answer(request, byteCount: byteCount)
        if case .run(let run) = answer {
            unsafe cache.pointee.insert(
                key, Self.tag(request.pasid), run, isFinal: run.byteCount < byteCount)
        }
        return Translation(answer)
    }

    /// What the translations of a PASID are cached under. The PASID's low bits stand where the IOTLB has the domain, so
    /// that an invalidation of one PASID passes over the others.
    @inline(__always)
    fileprivate static func tag(_ pasid: HostPASID?) -> TranslationTag {
        let number = UInt64(pasid?.rawValue ?? 0)
        return TranslationTag(
            rawValue: TranslationTag.Stage.first.rawValue | (pasid == nil ? 1 << 2 : 0) | number << 12
                | (number & 0xFFFF) << 32)
    }
}
