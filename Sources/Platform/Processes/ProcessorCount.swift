internal import CPlatform

/// The processors of this machine.
public enum ProcessorCount {
    /// How many of them this process may run on, at least 1.
    public static var available: Int { Int(platform_processor_count()) }
}
