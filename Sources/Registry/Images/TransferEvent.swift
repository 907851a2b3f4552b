public import Linux

/// What a transfer tells while it goes on.
public enum TransferEvent: Sendable {
    /// So many bytes will be transferred at most.
    case expecting(bytes: UInt64)
    /// So many bytes more; negative when some have to be sent again.
    case transferred(bytes: Int)
    /// A step has begun or ended; the text is for people.
    case step(String)
    /// Device nodes of an image weren't taken.
    case leftOut(LeftOutNodes)
    /// Something that doesn't stop the work, and what comes of it, for people.
    case warning(String)
}
