internal import DSASpec

extension Transfer {
    /// Takes back the page fault that ended the transfer: the next `resolve` translates the page again.
    ///
    /// - Precondition: `resolve` has just said `.fault`, with a page fault.
    public mutating func retryPage() {
        precondition(status == .pageFault, "only a page fault can be taken back")
        status = .none
    }

    /// Lets the page fault count as one whose page request was refused: 0x04 instead of 0x03.
    ///
    /// - Precondition: As for ``retryPage()``.
    public mutating func refusePage() {
        precondition(status == .pageFault, "only a page fault can be refused")
        status = .pageRequestFailed
    }
}
