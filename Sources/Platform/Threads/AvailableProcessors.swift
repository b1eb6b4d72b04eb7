internal import CPlatform

/// The processors that this process may run on.
public enum AvailableProcessors {
    /// How many, at least 1.
    public static let count = max(Int(platform_processor_count()), 1)
}
