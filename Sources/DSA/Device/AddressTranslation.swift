public import IOMMU
internal import PCIe

// The Address Translation Services of the function (PCIe 6.0 §10): its translation cache, and who uses it.
extension Device {
    /// Translates an access of engine `index`.
    func translate(
        _ request: TranslationRequest, engine index: Int, _ iommu: inout IOMMU
    ) -> Translation {
        translate(request, usesATS: usesATS(engine: index), &iommu)
    }

    /// Translates an access of the function: through its cache, or, without ATS, by the IOMMU each time.
    func translate(
        _ request: TranslationRequest, usesATS: Bool, _ iommu: inout IOMMU
    ) -> Translation {
        usesATS ? deviceTLB.reference.translate(request, &iommu) : iommu.translate(request)
    }

    /// Forgets translations, as the IOMMU demands. On return none of them is used for a new window; one that is on a
    /// thread is awaited by whoever gives its pages to somebody else.
    public mutating func invalidateTranslations(_ scope: DeviceTLBInvalidation.Scope) {
        deviceTLB.invalidate(scope)
    }
}
