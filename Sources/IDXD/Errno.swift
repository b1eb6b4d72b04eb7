/// What the kernel answers a program whose request fails: the error numbers of Linux that the driver gives.
public struct Errno: RawRepresentable, Hashable, Sendable, Error {
    /// The number, positive.
    public let rawValue: UInt32

    /// The error of this number.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Operation not permitted.
    public static let eperm = Self(rawValue: 1)
    /// No such file or directory.
    public static let enoent = Self(rawValue: 2)
    /// Input/output error.
    public static let eio = Self(rawValue: 5)
    /// No such device or address.
    public static let enxio = Self(rawValue: 6)
    /// Bad file descriptor.
    public static let ebadf = Self(rawValue: 9)
    /// Try again.
    public static let eagain = Self(rawValue: 11)
    /// Out of memory.
    public static let enomem = Self(rawValue: 12)
    /// Permission denied.
    public static let eacces = Self(rawValue: 13)
    /// Device or resource busy.
    public static let ebusy = Self(rawValue: 16)
    /// No such device.
    public static let enodev = Self(rawValue: 19)
    /// Is a directory.
    public static let eisdir = Self(rawValue: 21)
    /// Invalid argument.
    public static let einval = Self(rawValue: 22)
    /// Too many open files.
    public static let emfile = Self(rawValue: 24)
    /// No space left on device.
    public static let enospc = Self(rawValue: 28)
    /// Numerical result out of range.
    public static let erange = Self(rawValue: 34)
    /// Value too large for defined data type.
    public static let eoverflow = Self(rawValue: 75)
    /// Operation not supported.
    public static let eopnotsupp = Self(rawValue: 95)
}
